import { stripeGrading } from 'domain/providers/stripe/grading.ts'
import { judgeWrite, namedPermission, WRITE_PROBES } from 'domain/providers/stripe/permissions.ts'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { KeyScope } from '../../local/simulators/stripe/keys.ts'
import { type StripeSimulator, startStripeSimulator } from '../../local/simulators/stripe/simulator.ts'
import { probeProvider } from '../_shared/ask-provider.ts'
import { Refused } from '../_shared/errors.ts'

let simulator: StripeSimulator
beforeAll(async () => {
  simulator = await startStripeSimulator({ seed: 7, log: () => {}, now: () => Date.UTC(2026, 10, 24) })
})
afterAll(() => simulator.stop())
beforeEach(() => fetch(`${simulator.controlUrl}/faults`, { method: 'DELETE' }))

async function probe(key: string, apiUrl = simulator.apiUrl) {
  const shape = stripeGrading.judgeShape(key)
  if (!shape.ok) throw new Refused(shape.code)
  return probeProvider(key, shape.value, apiUrl)
}
const keyOf = (scope: KeyScope, mode: 'live' | 'test' = 'live') => simulator.issueKey({ account: 1, scope, mode })
async function fault(kind: string, match = '', times = 1) {
  const init = { method: 'POST', body: JSON.stringify({ kind, match, times }) }
  expect((await fetch(`${simulator.controlUrl}/faults`, init)).status).toBe(200)
}
async function requests(): Promise<{ method: string; path: string }[]> {
  const answer = await fetch(`${simulator.controlUrl}/requests`)
  return ((await answer.json()) as { requests: { method: string; path: string }[] }).requests
}

describe('a Stripe key', () => {
  const body = 'a'.repeat(99)
  test.each([`sk_live_${body}`, `sk_test_${body}`, 'sk_', `SK_live_${body}`, ` sk_live_${body}`, 'sk_org_live_x'])(
    'T5: that is a secret key is refused by its look, and nothing is asked: %s',
    async (key) => {
      const asked = (await requests()).length
      await expect(probe(key)).rejects.toMatchObject({ code: 'credential_secret_key' })
      expect((await requests()).length).toBe(asked)
    },
  )

  test.each([
    `pk_live_${body}`,
    `whsec_${body}`,
    'rk_live_',
    `rk_live_${body}\n`,
    `rk_live_${'a'.repeat(300)}`,
    `xrk_live_${body}`,
    '',
  ])('that is none is refused: %j', async (key) => {
    await expect(probe(key)).rejects.toMatchObject({ code: 'credential_malformed' })
  })

  test('T5: that only reads is proved to: every kind of object is tried with an update of one that cannot exist', async () => {
    const asked = (await requests()).length
    expect(await probe(keyOf('read'))).toEqual({
      sites: [{ id: simulator.world.accounts[1]?.id, name: 'Harbor Yoga', timeZone: 'America/Los_Angeles' }],
      grade: 'read_only',
      scope: `live mode: balance transactions, subscriptions; refused for writing ${WRITE_PROBES.length} kinds of objects`,
      can: ['read balance transactions', 'read subscriptions', 'read coupons', 'read account'],
      excess: [],
    })
    const made = (await requests()).slice(asked)
    const tried = made.filter(({ method }) => method === 'POST').map(({ path }) => path)
    expect(tried.sort()).toEqual(WRITE_PROBES.map(({ path }) => path).sort())
  })

  test('T5: that can write is refused, with what to take away', async () => {
    await expect(probe(keyOf('writes'))).rejects.toMatchObject({
      code: 'credential_can_write',
      about: { permissions: ['Charges: Write', 'Refunds: Write'] },
    })
  })

  test.each(['server_error', 'forbidden', 'invalid_json'])(
    'T5: that gives another answer to a try, such as %s, is not proven read-only, and the try is named',
    async (kind) => {
      await fault(kind, '/v1/payouts')
      expect(await probe(keyOf('read'))).toMatchObject({
        grade: 'not_proven_read_only',
        scope: 'live mode: balance transactions, subscriptions; not proven for Payouts',
      })
    },
  )

  const balance = 'Balance transaction sources: Read (balance_transaction_source_read)'
  const subscriptions = 'Subscriptions: Read (subscription_read)'
  test.each([
    ['nothing', [balance, subscriptions, 'Coupons: Read']],
    ['balance_only', [subscriptions, 'Coupons: Read']],
    ['no_coupons', ['Coupons: Read']],
  ] as const)(
    'T5: that cannot read all that the figures take (%s) is refused, with all that is missing',
    async (scope, permissions) => {
      await expect(probe(keyOf(scope))).rejects.toMatchObject({
        code: 'credential_lacks_permission',
        about: { permissions },
      })
    },
  )

  test('that may not read its account is taken: its id is in the refusal, and its days are UTC days', async () => {
    const id = simulator.world.accounts[1]?.id
    expect(await probe(keyOf('figures_only'))).toMatchObject({
      sites: [{ id, name: id, timeZone: 'UTC' }],
      grade: 'read_only',
      can: ['read balance transactions', 'read subscriptions', 'read coupons'],
    })
  })

  test("of test mode is another site than the same account's live one", async () => {
    expect((await probe(keyOf('read', 'test'))).sites).toEqual([
      {
        id: `${simulator.world.accounts[1]?.id}/test`,
        name: 'Harbor Yoga (test mode)',
        timeZone: 'America/Los_Angeles',
      },
    ])
  })

  test.each([
    ['unauthorized', 'credential_rejected'],
    ['rate_limited', 'provider_rate_limited'],
    ['server_error', 'provider_unreachable'],
    ['cut', 'provider_unreachable'],
  ])('is not judged while Stripe says %s: %s', async (kind, code) => {
    await fault(kind, '/v1/account')
    await expect(probe(keyOf('read'))).rejects.toMatchObject({ code })
    await fault(kind === 'server_error' ? 'cut' : kind, '/v1/tax_rates')
    await expect(probe(keyOf('read'))).rejects.toMatchObject({ code })
  })

  test('that Stripe does not know is rejected, and no error quotes it', async () => {
    const key = `rk_live_${'hush'.repeat(10)}`
    await expect(probe(key)).rejects.toMatchObject({ code: 'credential_rejected' })
    const error = await probe(key, 'http://127.0.0.1:1').catch((thrown: unknown) => thrown)
    expect(error).toMatchObject({ code: 'provider_unreachable' })
    expect(JSON.stringify(error) + String(error)).not.toContain('hush')
  })

  test('the newer wording of a refusal counts like the older one', () => {
    const message =
      "Permission denied. The provided key 'rk_live_...x' does not have the required permissions for this endpoint on account 'acct_1'. Enabling Webhook Endpoints, Event Destinations Read ('webhook_read') permissions on this key would allow this request to continue."
    const answer = { status: 403, value: { error: { type: 'invalid_request_error', message } } }
    expect([judgeWrite(answer), namedPermission(answer)]).toEqual(['refused', 'webhook_read'])
  })
})
