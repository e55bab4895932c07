import { createServer } from 'node:http'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { newSigningSecret } from '../../stands/webhook-deliveries.ts'
import { SIGNERS } from '../../stands/webhook-signers.ts'
import type { ProviderSimulator } from '../provider-simulator.ts'
import { type ResendSimulator, startResendSimulator } from '../resend/simulator.ts'
import { type StripeSimulator, startStripeSimulator } from '../stripe/simulator.ts'
import { NO_MISHAPS } from './mishaps.ts'
import type { Delivery } from './sender.ts'

const START = Date.UTC(2026, 10, 24, 8)
const MINUTE = 60_000
const HOUR = 60 * MINUTE

type Came = { readonly headers: Record<string, string>; readonly body: string }
let now: number
let status: number
let came: Came[]
let stripe: StripeSimulator
let resend: ResendSimulator
const server = createServer(async (request, response) => {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk as Buffer)
  came.push({ headers: request.headers as Record<string, string>, body: Buffer.concat(chunks).toString() })
  response.writeHead(status).end()
})
beforeEach(async () => {
  now = START
  status = 200
  came = []
  const options = { seed: 7, log: () => {}, now: () => now }
  stripe = await startStripeSimulator(options)
  resend = await startResendSimulator(options)
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening))
})
afterEach(async () => {
  await Promise.all([stripe.stop(), resend.stop()])
  await new Promise((closed) => server.close(closed))
})

async function control(of: ProviderSimulator, method: string, path: string, body?: unknown): Promise<unknown> {
  const init = body === undefined ? { method } : { method, body: JSON.stringify(body) }
  const answer = await fetch(`${of.controlUrl}/${path}`, init)
  expect(answer.status).toBe(200)
  return answer.json()
}

async function register(of: ProviderSimulator, secret: string): Promise<void> {
  const address = server.address()
  const port = typeof address === 'object' ? address?.port : undefined
  await control(of, 'POST', 'webhooks', { url: `http://127.0.0.1:${port}/webhooks/x`, secret })
}

/** How long after the event each attempt was made, by a clock that stops at each time that one is due. */
async function attemptsOf({ webhooks }: StripeSimulator | ResendSimulator): Promise<Delivery | undefined> {
  now += 24 * HOUR
  await webhooks.deliverDue()
  const [first] = webhooks.deliveries
  while (first !== undefined && first.nextAt !== null) {
    now = first.nextAt
    await webhooks.deliverDue()
  }
  return first
}

const waits = ({ attempts }: Delivery) => attempts.slice(1).map(({ at }, place) => at - (attempts[place]?.at ?? 0))

describe('a simulator’s webhooks', () => {
  it('T5: are signed as the provider’s own library has it, for what happens while the clock moves', async () => {
    for (const [provider, of] of [
      ['stripe', stripe],
      ['resend', resend],
    ] as const) {
      came = []
      vi.useFakeTimers({ toFake: ['Date'], now })
      const secret = newSigningSecret(provider)
      await register(of, secret)
      now = START + 12 * HOUR
      // Resend's library goes by the clock of its process.
      vi.setSystemTime(now)
      await of.webhooks.deliverDue()
      const [one] = came
      expect(one !== undefined && SIGNERS[provider].accepts(one, secret, now)).toBe(true)
      now = START
    }
    vi.useRealTimers()
  })

  it('come again on the provider’s published schedule until they are given up, and are listed as that', async () => {
    status = 500
    await register(resend, newSigningSecret('resend'))
    const mail = await attemptsOf(resend)
    expect(mail && waits(mail)).toEqual([5000, 5 * MINUTE, 30 * MINUTE, 2 * HOUR, 5 * HOUR, 10 * HOUR, 10 * HOUR])
    expect(mail?.status).toBe('failed')
    now = START
    await register(stripe, newSigningSecret('stripe'))
    const event = await attemptsOf(stripe)
    const all = event === undefined ? [] : waits(event)
    expect(all.every((wait, place) => wait >= (all[place - 1] ?? 0))).toBe(true)
    expect(all.reduce((sum, wait) => sum + wait, 0)).toBeLessThanOrEqual(72 * HOUR)
    const key = stripe.issueKey({ account: 0, scope: 'read_with_events', mode: 'live' })
    const list = async (query: string) => {
      const answer = await fetch(`${stripe.apiUrl}/v1/events?limit=100&${query}`, {
        headers: { authorization: `Bearer ${key}` },
      })
      return ((await answer.json()) as { data: { id: string; pending_webhooks: number }[] }).data
    }
    expect((await list('delivery_success=false')).map(({ id }) => id)).toContain(event?.event.id)
    expect((await list('delivery_success=true')).map(({ id }) => id)).not.toContain(event?.event.id)
    expect((await list(`types[]=${event?.event.type}`)).length).toBeGreaterThan(0)
  })

  it('are shown by the control with their answers, and befallen by what it says', async () => {
    await register(resend, newSigningSecret('resend'))
    await control(resend, 'POST', 'webhooks/mishaps', { ...NO_MISHAPS, dropped: 1 })
    now += 2 * HOUR
    await resend.webhooks.deliverDue()
    const { deliveries } = (await control(resend, 'GET', 'webhooks/deliveries')) as {
      deliveries: Record<string, unknown>[]
    }
    expect(came).toEqual([])
    expect(deliveries[0]).toMatchObject({ status: 'attempting', mishaps: ['dropped'], attempts: [{ status: null }] })
  })
})
