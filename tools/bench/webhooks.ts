import { createServer, type Server } from 'node:http'
import { createRequire } from 'node:module'
import { foundAgency } from '../../local/stands/polling-agency.ts'
import { type PollingStack, startPollingStack } from '../../local/stands/polling-stand.ts'
import { addEndpoint, type Delivery, type Endpoint, newSigningSecret } from '../../local/stands/webhook-deliveries.ts'
import { SIGNERS } from '../../local/stands/webhook-signers.ts'
import { freePorts } from '../../local/supervisor/ports.ts'
import { bundle } from '../../local/workers/worker-options.ts'
import { compared, inRounds, type Measure, percentile } from './compare.ts'
import type { Bench } from './scale.ts'
import { startWorkerd } from './workerd.ts'

/** Its ES module looks for its migrations by a name that only CommonJS has, and says nothing when it finds none. */
const { runMigrations, StripeSync }: typeof import('@supabase/stripe-sync-engine') = createRequire(import.meta.url)(
  '@supabase/stripe-sync-engine',
)

const SIZES = { ci: { rounds: 1, deliveries: 40 }, full: { rounds: 3, deliveries: 240 } } as const
/** Each takes sixty at once: all rounds together bring none to its limit. */
const ENDPOINTS = 20
const IN_FLIGHT = 16
const OF_BARE = 0.1
const OF_ENGINE = 0.5
const BARE_WORKER = 'tools/bench/workers/queue-sender.ts'
const API_VERSION = '2026-07-29.dahlia'

/** How fast a signed webhook is answered with 200: judged, sealed and queued here; unjudged and queued; judged and upserted in the clear. */
export const benchWebhooks: Bench = async ({ scale, say }) => {
  const { rounds, deliveries } = SIZES[scale]
  const stack = await startPollingStack(Date.now(), { front: ['gateway'], clock: 'machine' })
  const secret = newSigningSecret('stripe')
  const [bare, engine] = [await startBare(), await startEngine(stack, secret)]
  try {
    const endpoints = await manyEndpoints(stack)
    const p99 = { ours: [] as number[], bare: [] as number[], engine: [] as number[] }
    const ours = async () => {
      const calls = Array.from({ length: deliveries }, (_, place) => toOurs(stack.origin, endpoints, place))
      const measure = await sendAll(calls, p99.ours)
      await untilApplied(stack)
      return measure
    }
    const plain = (url: string, latencies: number[]) => () =>
      sendAll(
        Array.from({ length: deliveries }, (_, place) => ({ url, delivery: newDelivery(secret, Date.now(), place) })),
        latencies,
      )
    const sides = { ours, bare: plain(bare.url, p99.bare), engine: plain(engine.url, p99.engine) }
    const rates = await inRounds(rounds, sides, say)
    const warm = (latencies: readonly number[]) => latencies.slice(1)
    const unit = 'webhooks/s'
    const p99Of = (peer: number[]) => ({ unit: 'ms', ours: warm(p99.ours), peer: warm(peer), lessIsBetter: true })
    return [
      compared({
        name: 'webhooks: against a bare Worker that only queues',
        unit,
        ours: rates.ours,
        peer: rates.bare,
        limit: OF_BARE,
      }),
      compared({ name: 'webhooks: p99 to 200, against that Worker', ...p99Of(p99.bare), limit: OF_BARE }),
      compared({
        name: 'webhooks: against @supabase/stripe-sync-engine',
        unit,
        ours: rates.ours,
        peer: rates.engine,
        limit: OF_ENGINE,
      }),
      compared({ name: 'webhooks: p99 to 200, against that engine', ...p99Of(p99.engine), limit: OF_ENGINE }),
    ]
  } finally {
    await engine.stop()
    await bare.stop()
    await stack.stop()
  }
}

async function manyEndpoints(stack: PollingStack): Promise<Endpoint[]> {
  const agency = await foundAgency(stack, 'never asked with', ENDPOINTS)
  const made = []
  for (const credentialId of agency.credentialIds)
    made.push(await addEndpoint(stack, { ...agency, credentialId }, 'stripe'))
  return made
}

type Call = { readonly url: string; readonly delivery: Delivery }

function toOurs(origin: string, endpoints: readonly Endpoint[], place: number): Call {
  const endpoint = endpoints[place % endpoints.length]
  if (endpoint === undefined) throw new Error('no endpoint')
  return { url: `${origin}/webhooks/stripe/${endpoint.id}`, delivery: newDelivery(endpoint.secret, Date.now(), place) }
}

/** A charge, as Stripe tells of one. */
function newDelivery(secret: string, now: number, place: number): Delivery {
  const created = Math.floor(now / 1000)
  const id = `evt_${now.toString(36)}x${place}`
  const object = {
    id: `ch_${now.toString(36)}x${place}`,
    object: 'charge',
    amount: 1900,
    created,
    currency: 'eur',
    paid: true,
    status: 'succeeded',
  }
  const event = {
    id,
    object: 'event',
    api_version: API_VERSION,
    created,
    data: { object },
    livemode: true,
    type: 'charge.succeeded',
  }
  return SIGNERS.stripe.sign({ secret, body: JSON.stringify(event), id, now })
}

async function sendAll(calls: Call[], latencies: number[]): Promise<Measure> {
  const [times, took] = [calls.length, [] as number[]]
  let taken = 0
  const client = async () => {
    for (let call = calls.pop(); call !== undefined; call = calls.pop()) {
      const sent = performance.now()
      const { headers, body } = call.delivery
      const answer = await fetch(call.url, {
        method: 'POST',
        headers: { 'content-type': 'application/json', ...headers },
        body,
      })
      await answer.arrayBuffer()
      took.push(performance.now() - sent)
      if (answer.status === 200) taken += 1
    }
  }
  const began = performance.now()
  await Promise.all(Array.from({ length: IN_FLIGHT }, client))
  const ms = performance.now() - began
  latencies.push(percentile(took, 0.99))
  return { times, ms, work: `${taken} answered with 200` }
}

/** What the connector still has to do with a round must not slow down the next one's answers. */
async function untilApplied({ sql }: PollingStack): Promise<void> {
  for (;;) {
    const [row] = await sql`select count(*)::int as waiting from flarewatch.webhook_events where applied_at is null`
    if (row?.waiting === 0) return
    await new Promise((passed) => setTimeout(passed, 50))
  }
}

type Peer = { readonly url: string; readonly stop: () => Promise<void> }

async function startBare(): Promise<Peer> {
  const { port } = await freePorts('port')
  const { stop } = await startWorkerd([
    {
      name: 'queue-sender',
      modules: [{ type: 'ESModule', path: 'queue-sender.mjs', contents: await bundle(BARE_WORKER) }],
      compatibilityDate: '2026-11-01',
      queueProducers: { EVENTS: 'bench-events' },
      queueConsumers: ['bench-events'],
      unsafeDirectSockets: [{ host: '127.0.0.1', port }],
    },
  ])
  return { url: `http://127.0.0.1:${port}/`, stop }
}

/** It needs no network: signature, then an upsert of the webhook's own object into the same Postgres. */
async function startEngine({ superuserUrl }: PollingStack, secret: string): Promise<Peer> {
  await runMigrations({ databaseUrl: superuserUrl, schema: 'stripe' })
  const engine = new StripeSync({
    schema: 'stripe',
    stripeSecretKey: 'sk_test_never_sent',
    stripeWebhookSecret: secret,
    poolConfig: { connectionString: superuserUrl, max: IN_FLIGHT },
  })
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = []
    for await (const chunk of request) if (Buffer.isBuffer(chunk)) chunks.push(chunk)
    const signature = request.headers['stripe-signature']
    const taken = await engine.processWebhook(Buffer.concat(chunks), String(signature)).then(
      () => true,
      () => false,
    )
    response.writeHead(taken ? 200 : 400).end()
  })
  const port = await listening(server)
  return {
    url: `http://127.0.0.1:${port}/`,
    stop: async () => {
      server.closeAllConnections()
      await new Promise((closed) => server.close(closed))
      await engine.postgresClient.close()
    },
  }
}

async function listening(server: Server): Promise<number> {
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('the server has no port')
  return address.port
}
