import postgres from 'postgres'
import { compared, inRounds, type Measure, measured, percentile } from './compare.ts'
import { type LedgerStand, startLedgerStand } from './ledger-stand.ts'
import { startNaiveChain } from './naive-chain.ts'
import type { Bench } from './scale.ts'

const IN_FLIGHT = 64
const ROWS_A_CALL = 100
const CALLS_IN_FLIGHT = 4
const SIZES = {
  ci: { rounds: 1, appends: 256, naive: 128, noops: 512, batches: 8 },
  full: { rounds: 7, appends: 10_000, naive: 2_000, noops: 20_000, batches: 400 },
} as const
const OF_NAIVE = 5
const P99_OF_NAIVE = 2
const OF_NOOP = 0.5
const ROWS_A_SECOND = 30_000
const DRAINED = 1

/** How fast rows become durable in one tenant's ledger, answered for one by one, and how fast Postgres gets them. */
export const benchLedger: Bench = async ({ scale, say }) => {
  const { rounds, appends, naive, noops, batches } = SIZES[scale]
  const stand = await startLedgerStand()
  const chain = await startNaiveChain(stand.superuserUrl)
  try {
    const p99 = { ours: [] as number[], naive: [] as number[] }
    const appended = async (): Promise<Measure> => {
      const answer = await append(stand, appends)
      p99.ours.push(percentile(answer.latencies, 0.99))
      return { times: appends, ms: answer.tookMs, work: 'durable' }
    }
    const appendedNaively = async (): Promise<Measure> => {
      const before = await chain.append(0)
      const { ms, p99: latency, length } = await chain.append(naive)
      if (length !== before.length + naive) throw new Error(`the naive chain grew by ${length - before.length}`)
      p99.naive.push(latency)
      return { times: naive, ms, work: 'durable' }
    }
    const called = async (): Promise<Measure> => {
      const { tookMs } = await stand.run({ side: 'noop', calls: noops, inFlight: IN_FLIGHT, rows: 0 })
      return { times: noops, ms: tookMs, work: 'durable' }
    }
    const one = await inRounds(rounds, { ours: appended, naive: appendedNaively, noop: called }, say)
    const many = await inRounds(rounds, { ours: () => appendMany(stand, batches) }, say)
    const feed = await inRoundsOfBacklog(rounds, () => drain(stand, appends), say)
    const unit = 'rows/s'
    return [
      compared({
        name: 'ledger: single appends, against the naive Postgres chain',
        unit,
        ours: one.ours,
        peer: one.naive,
        limit: OF_NAIVE,
      }),
      compared({
        name: 'ledger: p99 of single appends, against the naive Postgres chain',
        unit: 'ms',
        // The warm-up's is left out, as its rate is.
        ours: p99.ours.slice(1),
        peer: p99.naive.slice(1),
        limit: P99_OF_NAIVE,
        lessIsBetter: true,
      }),
      compared({
        name: 'ledger: single appends, against a no-op RPC',
        unit,
        ours: one.ours,
        peer: one.noop,
        limit: OF_NOOP,
      }),
      measured('ledger: appended 100 at a time', unit, many.ours, ROWS_A_SECOND),
      compared({
        name: 'ledger: drained to Postgres, against appended',
        unit,
        ours: feed.drained,
        peer: feed.appended,
        limit: DRAINED,
      }),
    ]
  } finally {
    await chain.stop()
    await stand.stop()
  }
}

async function append(stand: LedgerStand, appends: number) {
  const before = await stand.drained()
  const answer = await stand.run({ side: 'append', calls: appends, inFlight: IN_FLIGHT, rows: 1 })
  if (answer.acknowledged !== appends || answer.seq !== before + appends)
    throw new Error(`${answer.acknowledged} of ${appends} appends answered, head ${before} to ${answer.seq}`)
  await stand.drained()
  return answer
}

async function appendMany(stand: LedgerStand, batches: number): Promise<Measure> {
  const rows = batches * ROWS_A_CALL
  const before = await stand.drained()
  const { tookMs, acknowledged, seq } = await stand.run({
    side: 'append_many',
    calls: batches,
    inFlight: CALLS_IN_FLIGHT,
    rows: ROWS_A_CALL,
  })
  if (acknowledged !== rows || seq !== before + rows) throw new Error('not every row was answered for')
  await stand.drained()
  return { times: rows, ms: tookMs, work: 'durable' }
}

/** Rows wait in the ledger while the chain's head in Postgres is locked; what then drains is nothing but the feed. */
async function drain(
  stand: LedgerStand,
  appends: number,
): Promise<{ readonly appended: number; readonly drained: number }> {
  await stand.drained()
  const holder = postgres(stand.superuserUrl, { max: 1, onnotice: () => {} })
  try {
    const { promise: released, resolve: release } = Promise.withResolvers<void>()
    const { promise: locked, resolve: lock } = Promise.withResolvers<void>()
    const held = holder.begin(async (tx) => {
      await tx`select from flarewatch.audit_heads where tenant_id = ${stand.tenantId} for update`
      lock()
      await released
    })
    await locked
    const { tookMs, flushedSeq, seq } = await stand.run({
      side: 'append',
      calls: appends,
      inFlight: IN_FLIGHT,
      rows: 1,
    })
    const began = performance.now()
    release()
    await held
    await stand.drained()
    const ms = performance.now() - began
    return { appended: (appends * 1000) / tookMs, drained: ((seq - flushedSeq) * 1000) / ms }
  } finally {
    await holder.end({ timeout: 1 })
  }
}

async function inRoundsOfBacklog(rounds: number, round: () => ReturnType<typeof drain>, say: (line: string) => void) {
  const feed = { appended: [] as number[], drained: [] as number[] }
  for (let at = 0; at <= rounds; at += 1) {
    const { appended, drained } = await round()
    if (at === 0) continue
    feed.appended.push(appended)
    feed.drained.push(drained)
    say(`  round ${at} of ${rounds}: appended ${appended.toFixed(0)}/s, drained ${drained.toFixed(0)}/s`)
  }
  return feed
}
