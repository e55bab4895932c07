import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { utf8 } from '../../domain/bytes.ts'
import { claimOf, isSigned, keyOf, type WebhookProvider } from '../../domain/webhooks/judge.ts'
import { type Delivery, newSigningSecret } from '../../local/stands/webhook-deliveries.ts'
import { mutationsOf } from '../../local/stands/webhook-mutations.ts'
import { SIGNERS } from '../../local/stands/webhook-signers.ts'

fc.configureGlobal({ seed: 20261127, numRuns: 200 })

const NOW = Date.UTC(2026, 10, 27, 12)
const BODY = '{"type":"email.delivered","created_at":"2026-11-27T12:00:00.000Z","data":{"n":1}}'

beforeAll(() => vi.useFakeTimers({ toFake: ['Date'], now: NOW }))
afterAll(() => vi.useRealTimers())

/** As gateway and vault judge: the claim alone, then the signature under any of the secrets. */
async function isGenuine(
  provider: WebhookProvider,
  { headers, body }: Delivery,
  secrets: readonly string[],
): Promise<boolean> {
  const claim = claimOf(provider, (name) => headers[name] ?? null, NOW)
  const keys = secrets.flatMap((secret) => keyOf(provider, secret))
  return claim.ok && isSigned(claim.value, keys, utf8(body))
}

/** What may differ between two genuine deliveries of one event, and takes nothing from either. */
function variantsOf(provider: WebhookProvider, good: Delivery, other: Delivery): Delivery[] {
  const name = provider === 'stripe' ? 'stripe-signature' : 'svix-signature'
  const [own = '', others = ''] = [good.headers[name], other.headers[name]]
  const texts =
    provider === 'stripe'
      ? [
          own.split(',').reverse().join(','),
          `${own},v0=${'0'.repeat(64)}`,
          own.replace(',', `,${others.split(',')[1]},`),
          `${own},${others.split(',')[1]}`,
          `${own},scheme=unheard-of`,
          `${own}, ${own}`,
        ]
      : [`${own} ${others}`, `${others} ${own}`, `v1a,AAAA ${own}`, `${own} ${own}`, `${own} v2,x`, `${own}, ${own}`]
  return texts.map((text) => ({ ...good, headers: { ...good.headers, [name]: text } }))
}

describe.each(['stripe', 'resend'] as const)('T5 V5: the library of %s', (provider) => {
  const { sign, accepts } = SIGNERS[provider]
  const [secret, other] = [newSigningSecret(provider), newSigningSecret(provider)]
  const good = sign({ secret, body: BODY, id: 'msg_1', now: NOW })

  it('signs what passes here, whichever of the secrets that are valid in a roll it signs with', async () => {
    expect(await isGenuine(provider, good, [secret])).toBe(true)
    expect(await isGenuine(provider, good, [other, secret])).toBe(true)
    expect(await isGenuine(provider, good, [other])).toBe(false)
    const theirs = sign({ secret: other, body: BODY, id: 'msg_1', now: NOW })
    for (const variant of variantsOf(provider, good, theirs)) {
      const judged = [await isGenuine(provider, variant, [secret]), accepts(variant, secret, NOW)]
      expect(judged, JSON.stringify(variant.headers)).toEqual([true, true])
    }
    await fc.assert(
      fc.asyncProperty(fc.string({ unit: 'binary', maxLength: 300 }), async (body) => {
        const delivery = sign({ secret, body, id: 'msg_2', now: NOW })
        expect(await isGenuine(provider, delivery, [secret])).toBe(true)
      }),
    )
  })

  it('signs nothing of which a mutation passes here', async () => {
    for (const { name, delivery } of mutationsOf(provider, good, secret)) {
      expect(await isGenuine(provider, delivery, [secret, other]), name).toBe(false)
    }
  })

  it('takes whatever passes here: nothing is judged more kindly than by the provider’s own code', async () => {
    const names = Object.keys(good.headers)
    const edit = fc.record({
      part: fc.constantFrom(...names, 'body'),
      at: fc.nat(),
      cut: fc.nat(2),
      put: fc.constantFrom('', ' ', ',', '.', '=', '0', 'v1', 't=', 'A', 'é'),
    })
    await fc.assert(
      fc.asyncProperty(fc.array(edit, { minLength: 1, maxLength: 3 }), async (edits) => {
        const mutated = edits.reduce(edited, good)
        if (await isGenuine(provider, mutated, [secret])) expect(accepts(mutated, secret, NOW)).toBe(true)
        if (mutated.body !== good.body) expect(await isGenuine(provider, mutated, [secret])).toBe(false)
      }),
      { numRuns: 1000 },
    )
  })
})

type Edit = { readonly part: string; readonly at: number; readonly cut: number; readonly put: string }

function edited(delivery: Delivery, { part, at, cut, put }: Edit): Delivery {
  const text = part === 'body' ? delivery.body : (delivery.headers[part] ?? '')
  const place = at % (text.length + 1)
  const changed = `${text.slice(0, place)}${put}${text.slice(place + cut)}`
  return part === 'body'
    ? { ...delivery, body: changed }
    : { ...delivery, headers: { ...delivery.headers, [part]: changed } }
}
