import { randomBytes, randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { API_ERRORS, ErrorBody } from '../../domain/contracts/api.ts'
import type { SealedWebhook, WebhookRefusal } from '../../domain/contracts/gateway-door.ts'
import { WebhookEventId } from '../../domain/contracts/ids.ts'
import { MAX_WEBHOOK_BYTES } from '../../domain/webhooks/judge.ts'
import { type Agency, contentsOf, foundAgency } from '../../local/stands/polling-agency.ts'
import { type PollingStack, startPollingStack } from '../../local/stands/polling-stand.ts'
import { addEndpoint, type Delivery, deliver, type Endpoint, signed } from '../../local/stands/webhook-deliveries.ts'
import { mutationsOf } from '../../local/stands/webhook-mutations.ts'
import { SIGNERS } from '../../local/stands/webhook-signers.ts'
import type { Bindings } from './bindings.ts'
import { refusalCode } from './refusal.ts'
import { webhooks } from './routes/webhooks.ts'

const START = Date.UTC(2026, 10, 27, 12)
const LATER = 240_000

let stack: PollingStack
let agency: Agency
let other: Agency
let endpoint: Awaited<ReturnType<typeof addEndpoint>>
let resend: Endpoint

beforeAll(async () => {
  stack = await startPollingStack(START, { front: ['gateway'] })
  const token = () => stack.simulator.issueToken({ scope: 'read' })
  agency = await foundAgency(stack, token())
  other = await foundAgency(stack, token())
  endpoint = await addEndpoint(stack, agency, 'stripe')
  resend = await addEndpoint(stack, other, 'resend')
})
afterAll(() => stack?.stop())
beforeEach(async () => {
  // Each begins with all of the rate, and with nothing due.
  stack.now += 600_000
  await stack.sql`delete from flarewatch.webhook_events`
  await stack.sql`update flarewatch.webhook_endpoints set accepted = 0, last_event_at = null`
  await stack.sql`update flarewatch.credentials set next_poll_at = ${new Date(stack.now + LATER)} where webhook_of is null`
})

const pathOf = ({ provider, id }: Endpoint) => `${provider}/${id}`
const event = (at = stack.now, id?: string) => ({ at, now: stack.now, ...(id === undefined ? {} : { id }) })

async function answerTo(delivery: Delivery, to: Endpoint): Promise<[number, string]> {
  const answer = await deliver(stack, pathOf(to), delivery)
  const body: unknown = await answer.json()
  return [answer.status, answer.ok ? 'received' : ErrorBody.parse(body).error.code]
}

/** All that tells one answer from another, but the id that each has. */
async function wholeAnswer(delivery: Delivery, to: Endpoint): Promise<string> {
  const answer = await deliver(stack, pathOf(to), delivery)
  const { error } = ErrorBody.parse(await answer.json())
  const headers = [...answer.headers].filter(([name]) => name !== 'date' && name !== 'x-request-id')
  return JSON.stringify([answer.status, { ...error, request_id: null }, headers])
}

async function until<Value>(look: () => Promise<Value | undefined>): Promise<Value> {
  for (let tries = 0; tries < 200; tries += 1) {
    const found = await look()
    if (found !== undefined) return found
    await sleep(50)
  }
  throw new Error('what was waited for did not happen')
}

const inbox = (of: Endpoint) => stack.sql<
  { id: string; applied: boolean; provider_event: string | null; ciphertext: Buffer }[]
>`select id, applied_at is not null as applied, provider_event, ciphertext from flarewatch.webhook_events
  where endpoint_id = ${of.id} order by received_at, id`

const allApplied = (of: Endpoint, count: number) =>
  until(async () => {
    const rows = await inbox(of)
    return rows.length === count && rows.every(({ applied }) => applied) ? rows : undefined
  })

async function isDue({ credentialId }: Agency): Promise<boolean> {
  const [row] = await stack.sql<{ due: boolean }[]>`
    select next_poll_at <= ${new Date(stack.now)} as due from flarewatch.credentials where id = ${credentialId}`
  return row?.due === true
}

const rowsOf = async (of: Agency) => (await contentsOf(stack, of)).filter(({ action }) => action !== 'credential.open')

/** Both rows of each verdict: there when the delivery is answered, whatever the connector is still doing with an earlier one. */
const verdictsOf = async (of: Agency) =>
  (await rowsOf(of)).filter(({ target }) => target.startsWith('webhook_endpoint:'))

describe('a webhook on its way', () => {
  it('V5 L1: is judged in the vault, sealed into the inbox, applied by the connector, and each opening is a row', async () => {
    for (const [of, to] of [
      [agency, endpoint],
      [other, resend],
    ] as const) {
      const before = (await rowsOf(of)).length
      const delivery = signed(to, event())
      expect(await answerTo(delivery, to)).toEqual([200, 'received'])
      const [row] = await allApplied(to, 1)
      expect(await isDue(of)).toBe(true)
      const kept = row?.ciphertext.toString('latin1') ?? ''
      expect(kept).not.toContain(delivery.body.slice(0, 12))
      const rows = await until(async () => {
        const added = (await rowsOf(of)).slice(before)
        return added.length === 4 ? added : undefined
      })
      expect(rows.map(({ actor, action, detail }) => [actor, action, detail.code])).toEqual([
        ['gateway', 'webhook.judge', undefined],
        ['gateway', 'act.outcome', 'accepted'],
        ['connector', 'webhook.open', undefined],
        ['connector', 'act.outcome', 'applied'],
      ])
      expect(rows.map(({ target }) => target.split(':')[0])).toEqual([
        'webhook_endpoint',
        'webhook_endpoint',
        'webhook_event',
        'webhook_event',
      ])
    }
    expect(stack.logs.join('\n')).not.toContain(endpoint.secret)
    expect(stack.logs.join('\n')).not.toContain(endpoint.id)
  })

  it('has its account polled by the next tick, and not before its time without one', async () => {
    const polls = async () =>
      (
        await stack.sql`select id from flarewatch.jobs where credential_id = ${agency.credentialId} and kind = 'poll'
        and state = 'done'`
      ).length
    const scheduler = await stack.miniflare.getWorker('flarewatch-scheduler')
    const tick = () => scheduler.scheduled({ cron: '* * * * *', scheduledTime: new Date(stack.now) })
    const before = await polls()
    await tick()
    expect(await isDue(agency)).toBe(false)
    await answerTo(signed(endpoint, event()), endpoint)
    await allApplied(endpoint, 1)
    await tick()
    await until(async () => ((await polls()) === before + 1 ? true : undefined))
  })

  it('that comes twice, or after one that happened later, changes nothing', async () => {
    const [earlier, later] = [event(stack.now - 60_000, 'evt_earlier'), event(stack.now, 'evt_later')]
    for (const one of [later, earlier, later, earlier, later]) {
      expect(await answerTo(signed(endpoint, one), endpoint)).toEqual([200, 'received'])
    }
    const rows = await allApplied(endpoint, 2)
    expect(rows.map(({ provider_event }) => provider_event).sort()).toEqual(['evt_earlier', 'evt_later'])
    const [seen] =
      await stack.sql`select accepted::int, last_event_at from flarewatch.webhook_endpoints where id = ${endpoint.id}`
    expect(seen).toEqual({ accepted: 5, last_event_at: new Date(Math.floor(later.at / 1000) * 1000) })
    // Nothing is left under way that could make it due once more.
    await stack.sql`update flarewatch.credentials set next_poll_at = ${new Date(stack.now + LATER)} where id = ${agency.credentialId}`
    await answerTo(signed(endpoint, earlier), endpoint)
    await allApplied(endpoint, 2)
    expect(await isDue(agency)).toBe(false)
  })

  it('whose id the queue lost is sent again by the scheduler', async () => {
    await answerTo(signed(endpoint, event()), endpoint)
    const [row] = await allApplied(endpoint, 1)
    await stack.sql`update flarewatch.webhook_events set applied_at = null, provider_event = null, happened_at = null,
      queued_at = ${new Date(stack.now - 300_000)} where id = ${row?.id ?? ''}`
    const scheduler = await stack.miniflare.getWorker('flarewatch-scheduler')
    await scheduler.scheduled({ cron: '* * * * *', scheduledTime: new Date(stack.now) })
    await allApplied(endpoint, 1)
  })
})

describe('a webhook that is not genuine', () => {
  it('gets one same answer whatever is wrong with it, and where no key was needed to tell, no row either', async () => {
    const good = signed(endpoint, event())
    const stale = signed(endpoint, { at: stack.now, now: stack.now - 301_000 })
    const unknown = { ...endpoint, id: randomBytes(16).toString('base64url') }
    const before = (await verdictsOf(agency)).length
    const withoutRow: readonly [Delivery, Endpoint][] = [
      [stale, endpoint],
      [{ ...good, headers: {} }, endpoint],
      [{ ...good, headers: { 'stripe-signature': 'x'.repeat(5000) } }, endpoint],
      [good, unknown],
      [good, { ...endpoint, id: 'short' }],
      [good, { ...endpoint, provider: 'resend' }],
    ]
    for (const [delivery, to] of withoutRow) expect(await answerTo(delivery, to)).toEqual([400, 'webhook_refused'])
    expect((await verdictsOf(agency)).length).toBe(before)

    const forged = { ...good, body: good.body.replace('charge', 'charges') }
    const moved = {
      ...good,
      headers: { 'stripe-signature': (good.headers['stripe-signature'] ?? '').replace(/t=\d/, 't=2') },
    }
    expect(await answerTo(forged, endpoint)).toEqual([400, 'webhook_refused'])
    expect(await answerTo(moved, endpoint)).toEqual([400, 'webhook_refused'])
    const added = (await verdictsOf(agency)).slice(before)
    expect(added.map(({ detail }) => detail.code)).toEqual([undefined, 'signature_invalid'])
    expect(await inbox(endpoint)).toEqual([])
    expect(await isDue(agency)).toBe(false)
  })

  it.each(['stripe', 'resend'] as const)(
    'T5: made by %s’s own library passes, and each mutation of it gets that one answer',
    async (provider) => {
      const to = provider === 'stripe' ? endpoint : resend
      const body = JSON.stringify({
        id: 'evt_1',
        type: 'charge.refunded',
        created: 1,
        created_at: '2026-11-27T12:00:00Z',
      })
      const sign = () => SIGNERS[provider].sign({ secret: to.secret, body, id: 'msg_1', now: stack.now })
      expect(await answerTo(sign(), to)).toEqual([200, 'received'])
      const { length } = mutationsOf(provider, sign(), to.secret)
      for (let from = 0; from < length; from += 50) {
        // Each fifty begin with all of the endpoint's rate.
        stack.now += 600_000
        const some = mutationsOf(provider, sign(), to.secret).slice(from, from + 50)
        const answers = await Promise.all(some.map(({ delivery }) => wholeAnswer(delivery, to)))
        expect(some.filter((_, at) => answers[at] !== answers[0]).map(({ name }) => name)).toEqual([])
        expect(answers[0]).toContain('"webhook_refused"')
      }
      expect(await allApplied(to, 1)).toHaveLength(1)
    },
  )

  it("T4: another agency's secret signs nothing here, and its sealed event opens for no other", async () => {
    const mine = await addEndpoint(
      stack,
      await foundAgency(stack, stack.simulator.issueToken({ scope: 'read' })),
      'stripe',
    )
    expect(await answerTo(signed({ ...mine }, event()), endpoint)).toEqual([400, 'webhook_refused'])
    await answerTo(signed(endpoint, event()), endpoint)
    const [row] = await allApplied(endpoint, 1)
    const id = randomUUID()
    await stack.sql`
      insert into flarewatch.webhook_events (id, tenant_id, endpoint_id, dek_version, salt, ciphertext, received_at, queued_at)
      select ${id}, ${other.tenantId}, ${resend.id}, dek_version, salt, ciphertext, received_at, ${new Date(stack.now - 300_000)}
      from flarewatch.webhook_events where id = ${row?.id ?? ''}`
    const scheduler = await stack.miniflare.getWorker('flarewatch-scheduler')
    await scheduler.scheduled({ cron: '* * * * *', scheduledTime: new Date(stack.now) })
    await allApplied(resend, 1)
    const incidents =
      await stack.sql`select tenant_id, detail from flarewatch.incidents where kind = 'webhook_not_openable'`
    expect(incidents).toEqual([
      { tenant_id: other.tenantId, detail: { event: id, code: 'record_commitment_mismatch' } },
    ])
  })

  it('is not read beyond 256 KB', async () => {
    const base = signed(endpoint, event()).body.length
    const largest = signed(endpoint, { ...event(stack.now, `evt_${randomUUID()}`), padding: MAX_WEBHOOK_BYTES - base })
    expect(largest.body.length).toBe(MAX_WEBHOOK_BYTES)
    expect(await answerTo(largest, endpoint)).toEqual([200, 'received'])
    expect(await answerTo({ ...largest, body: `${largest.body} ` }, endpoint)).toEqual([413, 'request_too_large'])
  })

  it('is delivered by POST alone', async () => {
    const answer = await fetch(`${stack.origin}/webhooks/${pathOf(endpoint)}`)
    expect([answer.status, answer.headers.get('allow')]).toEqual([405, 'POST'])
  })
})

describe('a signing secret', () => {
  it('and the one that takes its place are both valid until the old one is deleted', async () => {
    const second = { ...endpoint, secret: `whsec_${randomBytes(16).toString('hex')}` }
    const id = randomUUID()
    await agency.store(id, second.secret, agency.credentialId)
    for (const by of [endpoint, second]) expect((await answerTo(signed(by, event()), by))[0]).toBe(200)
    await stack.sql`update flarewatch.credentials set kek_version = null, wrapped_dek = null, dek_version = null, salt = null,
      ciphertext = null, state = 'parked', deleted_at = now() where id = ${id}`
    expect(await answerTo(signed(second, event()), second)).toEqual([400, 'webhook_refused'])
    expect((await answerTo(signed(endpoint, event()), endpoint))[0]).toBe(200)
  })
})

describe('what is out of reach', () => {
  const NOWHERE = 'postgres://nobody@127.0.0.1:1/postgres'
  const judged = (): SealedWebhook => ({
    ok: true,
    eventId: WebhookEventId.parse(randomUUID()),
    dekVersion: 1,
    salt: randomBytes(32),
    ciphertext: randomBytes(99),
  })

  /** The route with parts of which one does not answer. */
  async function received(
    databaseUrl: string,
    answer: () => Promise<SealedWebhook | WebhookRefusal>,
    queue: 'up' | 'down',
  ) {
    const { headers, body } = signed(endpoint, event())
    const request = new Request(`http://gateway.test/webhooks/${pathOf(endpoint)}`, { method: 'POST', headers, body })
    const bindings = {
      DB: { connectionString: databaseUrl },
      VAULT: { judgeWebhook: answer },
      INGEST: { send: () => (queue === 'up' ? Promise.resolve() : Promise.reject(new Error('down'))) },
    } as unknown as Bindings
    const visit = {
      bindings,
      requestId: randomUUID(),
      url: new URL(request.url),
      now: stack.now,
      context: { waitUntil: () => {} },
    }
    const params = { provider: endpoint.provider, endpoint: endpoint.id }
    const called = Object.assign(request, { params, query: {}, route: '' })
    try {
      return (await webhooks(called, visit))?.status
    } catch (error) {
      return refusalCode(error)
    }
  }

  it.each([
    ['store_unreachable', NOWHERE, async () => judged()],
    ['vault_unreachable', NOWHERE, () => Promise.reject(new Error('no vault'))],
    ['vault_unreachable', NOWHERE, async () => ({ ok: false, code: 'ledger_unreachable' }) as const],
    ['tenant_frozen', NOWHERE, async () => ({ ok: false, code: 'tenant_frozen' }) as const],
  ] as const)('makes the provider try again: %s', async (code, databaseUrl, answer) => {
    expect(await received(databaseUrl, answer, 'up')).toBe(code)
    expect(API_ERRORS[code]).toBeGreaterThan(400)
  })

  it('costs no event where it is the queue: the event waits in Postgres for the scheduler', async () => {
    expect(await received(stack.gatewayDatabaseUrl, async () => judged(), 'down')).toBe(200)
    expect(await inbox(endpoint)).toMatchObject([{ applied: false }])
  })

  it('is said where endpoint or key went between verdict and store', async () => {
    const gone = async () => ({ ...judged(), dekVersion: 9 })
    expect(await received(stack.gatewayDatabaseUrl, gone, 'up')).toBe('store_unreachable')
    expect(await inbox(endpoint)).toEqual([])
  })
})

describe('a flood', () => {
  it('of forgeries costs its endpoint’s rate in rows and no more, and does not reach another endpoint', async () => {
    const before = (await verdictsOf(agency)).length
    const forged = { ...signed(endpoint, event()), body: '{}' }
    const answers = await Promise.all(Array.from({ length: 150 }, () => answerTo(forged, endpoint)))
    const codes = answers.map(([, code]) => code)
    expect(codes.filter((code) => code === 'webhook_refused')).toHaveLength(60)
    expect(codes.filter((code) => code === 'webhook_limited')).toHaveLength(90)
    expect(await answerTo(signed(resend, event()), resend)).toEqual([200, 'received'])
    const rows = await until(async () => {
      const added = (await verdictsOf(agency)).length - before
      return added >= 120 ? added : undefined
    })
    expect(rows).toBe(120)
    stack.now += 3000
    expect(await answerTo(signed(endpoint, event()), endpoint)).toEqual([200, 'received'])
    expect((await answerTo(signed(endpoint, event()), endpoint))[0]).toBe(429)
  })
})
