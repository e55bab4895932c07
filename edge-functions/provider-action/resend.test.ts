import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { type ResendSimulator, startResendSimulator } from '../../local/simulators/resend/simulator.ts'
import { World } from '../../local/simulators/resend/world.ts'
import { createAsk } from '../_shared/ask-provider.ts'
import { readSuppressions, removeSuppression, verifyDomain } from './resend.ts'

const SEED = 7
const DOMAIN = new World(SEED).domains[0]?.id ?? expect.fail()
const NAMES = {
  tenant_id: '00000000-0000-4000-8000-000000000001',
  credential_id: '00000000-0000-4000-8000-000000000002',
  site_id: '00000000-0000-4000-8000-000000000003',
} as never
const NOBODY = '00000000-0000-4000-8000-00000000dead'

let simulator: ResendSimulator
const now = Date.UTC(2026, 10, 24)
beforeEach(async () => {
  simulator = await startResendSimulator({ seed: SEED, log: () => {}, now: () => now })
})
afterEach(() => simulator.stop())

const ask = (key = simulator.issueReadKey()) => createAsk(key, simulator.apiUrl)
const read = (after: string | null) => readSuppressions.perform(ask(), { ...NAMES, suppressions_after: after }, DOMAIN)
const remove = (id: string) => removeSuppression.perform(ask(), { ...NAMES, remove_suppression: id }, DOMAIN)
async function sent(): Promise<readonly string[]> {
  const answer = await fetch(`${simulator.controlUrl}/requests`)
  const { requests } = (await answer.json()) as { requests: { method: string; path: string }[] }
  return requests.map(({ method, path }) => `${method} ${path}`)
}
const fault = (kind: string) =>
  fetch(`${simulator.controlUrl}/faults`, { method: 'POST', body: JSON.stringify({ kind }) })

describe('A4: at Resend, what is asked for is what is sent', () => {
  test('a domain is verified by its id, without a body', async () => {
    expect(await verifyDomain.perform(ask(), { ...NAMES, verify: true }, DOMAIN)).toMatchObject({ id: DOMAIN })
    expect(await sent()).toEqual([`POST /domains/${DOMAIN}/verify`])
  })

  test('a list is read page by page, and one address is removed by its id alone', async () => {
    const first = await read(null)
    const last = first.suppressions.at(-1)?.id ?? expect.fail()
    const second = await read(last)
    expect([first.more, first.suppressions.length, second.suppressions[0]?.id === last]).toEqual([true, 100, false])
    expect(await remove(last)).toMatchObject({ id: last, deleted: true })
    expect(await sent()).toEqual([
      'GET /suppressions?limit=100',
      `GET /suppressions?limit=100&after=${last}`,
      `DELETE /suppressions/${last}`,
    ])
  })

  test('what is kept of an answer names no person, and a list is not kept at all', () => {
    const site = { id: NOBODY, name: 'example.com' }
    expect(readSuppressions.keep).toBeNull()
    const kept = removeSuppression.keep?.({ object: 'suppression', id: NOBODY, deleted: true }, site)
    expect(kept).toEqual({ site, provider_id: NOBODY })
  })

  test.each([
    ['unauthorized', 'credential_rejected'],
    ['forbidden', 'provider_permission_missing'],
    ['rate_limited', 'provider_rate_limited'],
    ['server_error', 'provider_outcome_unknown'],
    ['cut', 'provider_outcome_unknown'],
    ['invalid_json', 'provider_outcome_unknown'],
  ])('%s is told as %s', async (kind, code) => {
    await fault(kind)
    await expect(remove(NOBODY)).rejects.toMatchObject({ code })
  })

  test('what is gone is refused, and so is a key that can only send', async () => {
    await expect(remove(NOBODY)).rejects.toMatchObject({ code: 'provider_refused' })
    const sending = ask(simulator.issueKey('sending_access'))
    const asked = verifyDomain.perform(sending, { ...NAMES, verify: true }, DOMAIN)
    await expect(asked).rejects.toMatchObject({ code: 'credential_rejected' })
  })
})
