import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { toBase64, toHex, utf8 } from '../bytes.ts'
import { hmac } from '../envelope/primitives.ts'
import { packDelivery, unpackDelivery } from './delivery.ts'
import { claimOf, eventOf, isSigned, keyOf, WEBHOOK_SCHEMES, type WebhookProvider } from './judge.ts'

fc.configureGlobal({ seed: 20261127, numRuns: 200 })

const NOW = 1_795_000_000_000
const SECONDS = String(NOW / 1000)
const STRIPE_SECRET = `whsec_${'a1B2c3D4'.repeat(4)}`
const SVIX_SECRET = `whsec_${toBase64(new Uint8Array(24).fill(9))}`
const BODY = utf8('{"id":"evt_1","created":1795000000,"type":"charge.succeeded"}')

type Headers = Record<string, string>

/** As `stripe.webhooks.generateTestHeaderString` writes them: docs.stripe.com/webhooks, "Verify manually". */
async function stripeHeaders(secret: string, body = BODY, timestamp = SECONDS): Promise<Headers> {
  const mac = await hmac(utf8(secret), new Uint8Array([...utf8(`${timestamp}.`), ...body]))
  return { 'stripe-signature': `t=${timestamp},v1=${toHex(mac)}` }
}

/** As Svix's `Webhook.sign`: docs.svix.com/receiving/verifying-payloads/how-manual. */
async function svixHeaders(secret: string, body = BODY, timestamp = SECONDS, id = 'msg_1'): Promise<Headers> {
  const key = WEBHOOK_SCHEMES.resend.key(secret)
  if (!key.ok) throw new Error(key.code)
  const mac = await hmac(key.value, new Uint8Array([...utf8(`${id}.${timestamp}.`), ...body]))
  return { 'svix-id': id, 'svix-timestamp': timestamp, 'svix-signature': `v1,${toBase64(mac)}` }
}

async function verdict(
  provider: WebhookProvider,
  headers: Headers,
  secrets: readonly string[],
  body = BODY,
  now = NOW,
): Promise<string> {
  const claim = claimOf(provider, (name) => headers[name] ?? null, now)
  if (!claim.ok) return claim.code
  const keys = secrets.flatMap((secret) => keyOf(provider, secret))
  return (await isSigned(claim.value, keys, body)) ? 'signed' : 'not_signed'
}

const SCHEMES = [
  ['stripe', STRIPE_SECRET, `whsec_${'z9'.repeat(16)}`, stripeHeaders],
  ['resend', SVIX_SECRET, `whsec_${toBase64(new Uint8Array(32).fill(1))}`, svixHeaders],
] as const

describe.each(SCHEMES)('a delivery of %s', (provider, secret, otherSecret, sign) => {
  it('V5: passes with any of the secrets that are valid while one is rolled, and with no other', async () => {
    const headers = await sign(secret)
    expect(await verdict(provider, headers, [secret])).toBe('signed')
    expect(await verdict(provider, headers, [otherSecret, secret])).toBe('signed')
    expect(await verdict(provider, headers, [otherSecret])).toBe('not_signed')
    expect(await verdict(provider, headers, [])).toBe('not_signed')
  })

  it('passes with any of several signatures, and other schemes beside them count for nothing', async () => {
    const [mine, theirs] = [await sign(secret), await sign(otherSecret)]
    const name = provider === 'stripe' ? 'stripe-signature' : 'svix-signature'
    const [own = '', others = ''] = [mine[name], theirs[name]]
    const joined = provider === 'stripe' ? `${others}${own.slice(own.indexOf(','))}` : `${others} ${own}`
    expect(await verdict(provider, { ...mine, [name]: joined }, [secret])).toBe('signed')
    const renamed = own.replace('v1', 'v0')
    expect(await verdict(provider, { ...mine, [name]: renamed }, [secret])).toBe('webhook_malformed')
  })

  it('fails when any bit of body or headers is another', async () => {
    const headers = await sign(secret)
    const names = Object.keys(headers)
    await fc.assert(
      fc.asyncProperty(fc.nat(BODY.length * 8 - 1), async (bit) => {
        const body = BODY.slice()
        body[bit >> 3] = (body[bit >> 3] ?? 0) ^ (1 << (bit & 7))
        expect(await verdict(provider, headers, [secret], body)).toBe('not_signed')
      }),
    )
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...names),
        fc.nat(),
        fc.integer({ min: 0, max: 6 }),
        async (name, place, bit) => {
          const text = headers[name] ?? ''
          const at = place % text.length
          const changed = String.fromCharCode(text.charCodeAt(at) ^ (1 << bit))
          const altered = { ...headers, [name]: text.slice(0, at) + changed + text.slice(at + 1) }
          expect(await verdict(provider, altered, [secret])).not.toBe('signed')
        },
      ),
    )
  })

  it('fails when a header is missing, doubled or longer than any', async () => {
    const headers = await sign(secret)
    for (const [name, value] of Object.entries(headers)) {
      const { [name]: _, ...rest } = headers
      expect(await verdict(provider, rest, [secret])).toBe('webhook_malformed')
      expect(await verdict(provider, { ...rest, [name]: '' }, [secret])).toBe('webhook_malformed')
      expect(await verdict(provider, { ...rest, [name]: `${value}${' '.repeat(5000)}` }, [secret])).toBe(
        'webhook_malformed',
      )
    }
    const twice = Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, `${value},${value}`]))
    expect(await verdict(provider, twice, [secret])).not.toBe('signed')
  })

  it('is stale more than 300 seconds before or after it was signed, and moved in time it is not signed', async () => {
    for (const [seconds, expected] of [
      [300, 'signed'],
      [-300, 'signed'],
      [301, 'webhook_stale'],
      [-301, 'webhook_stale'],
    ] as const) {
      const headers = await sign(secret, BODY, String(NOW / 1000 + seconds))
      expect(await verdict(provider, headers, [secret])).toBe(expected)
      const moved = Object.fromEntries(
        Object.entries(headers).map(([name, value]) => [name, value.replace(String(NOW / 1000 + seconds), SECONDS)]),
      )
      expect(await verdict(provider, moved, [secret])).toBe('not_signed')
    }
  })

  it('is malformed with more signatures than any roll has', async () => {
    const headers = await sign(secret)
    const name = provider === 'stripe' ? 'stripe-signature' : 'svix-signature'
    const one = (headers[name] ?? '').replace(/^t=\d+,/, '')
    const many = Array.from({ length: 17 }, () => one).join(provider === 'stripe' ? ',' : ' ')
    const text = provider === 'stripe' ? `t=${SECONDS},${many}` : many
    expect(await verdict(provider, { ...headers, [name]: text }, [secret])).toBe('webhook_malformed')
  })

  it("does not pass as the other provider's", async () => {
    const other = provider === 'stripe' ? 'resend' : 'stripe'
    expect(await verdict(other, await sign(secret), [secret])).toBe('webhook_malformed')
  })
})

describe('published vectors', () => {
  it('the example of the Standard Webhooks specification and of the libraries of Svix passes', async () => {
    const headers = {
      'svix-id': 'msg_p5jXN8AQM9LWM0D4loKWxJek',
      'svix-timestamp': '1614265330',
      'svix-signature': 'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=',
    }
    const [secret, body] = ['whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw', utf8('{"test": 2432232314}')]
    expect(await verdict('resend', headers, [secret], body, 1614265330_000)).toBe('signed')
  })

  it('an id that holds the separator is no id: a signed body cannot lend its head to the time', async () => {
    const headers = await svixHeaders(SVIX_SECRET, utf8(`${SECONDS}.{}`), '1614265330', 'msg_1')
    const shifted = { ...headers, 'svix-id': 'msg_1.1614265330', 'svix-timestamp': SECONDS }
    expect(await verdict('resend', shifted, [SVIX_SECRET], utf8('{}'))).toBe('webhook_malformed')
  })
})

describe('a signing secret', () => {
  it.each([
    ['stripe', `rk_live_${'a'.repeat(40)}`],
    ['stripe', 'whsec_short'],
    ['stripe', `whsec_${'a'.repeat(200)}`],
    ['resend', `re_${'a'.repeat(40)}`],
    ['resend', `whsec_${'*'.repeat(32)}`],
    ['resend', `whsec_${toBase64(new Uint8Array(12))}`],
  ] as const)('T5: of %s is refused by its shape: %s', (provider, text) => {
    expect(WEBHOOK_SCHEMES[provider].key(text)).toEqual({ ok: false, code: 'credential_malformed' })
  })
})

describe('a delivery as it is kept', () => {
  it('gives back id and body to the byte, and nothing when any byte is missing or over', () => {
    fc.assert(
      fc.property(
        fc.string({ maxLength: 40, unit: 'grapheme' }),
        fc.uint8Array({ maxLength: 200 }),
        (messageId, body) => {
          const packed = packDelivery({ messageId, body })
          expect(unpackDelivery(packed)).toEqual({ ok: true, value: { messageId, body } })
          expect(unpackDelivery(packed.subarray(0, -1)).ok).toBe(false)
          expect(unpackDelivery(new Uint8Array([...packed, 0])).ok).toBe(false)
        },
      ),
    )
  })

  it('is known by the provider’s id and time, and by nothing where it has none', () => {
    const stripe = (body: string) => eventOf('stripe', { messageId: '', body: utf8(body) })
    expect(stripe('{"id":"evt_9","created":1795000000}')).toEqual({ ok: true, value: { id: 'evt_9', at: NOW } })
    for (const body of ['', 'null', '{"id":"ch_1","created":1}', '{"id":"evt_1","created":"now"}']) {
      expect(stripe(body)).toEqual({ ok: false, code: 'webhook_body_invalid' })
    }
    const resend = (messageId: string) =>
      eventOf('resend', { messageId, body: utf8('{"type":"email.sent","created_at":"2026-11-18T07:46:40.000Z"}') })
    expect(resend('msg_1')).toEqual({ ok: true, value: { id: 'msg_1', at: Date.UTC(2026, 10, 18, 7, 46, 40) } })
    expect(resend('')).toEqual({ ok: false, code: 'webhook_body_invalid' })
  })
})
