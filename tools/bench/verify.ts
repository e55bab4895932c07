import postgres from 'postgres'
import { startThrowawayPostgres } from '../../local/postgres/throwaway.ts'
import { freePorts } from '../../local/supervisor/ports.ts'
import { bundle } from '../../local/workers/worker-options.ts'
import { type BenchResult, compared, inRounds, type Measure } from './compare.ts'
import { benchExport } from './export.ts'
import { storeLongLog } from './long-log.ts'
import { peakOfWorkerd } from './memory.ts'
import type { ReadAnswer, ReadJob } from './read-job.ts'
import type { Bench } from './scale.ts'
import { ask, startWorkerd } from './workerd.ts'

const WORKER = 'tools/bench/workers/chain-reader.ts'
const CURSOR_ROWS = 1000
const SIZES = { ci: { rounds: 1, rows: 5_000 }, full: { rounds: 3, rows: 5_000_000 } } as const
/** Of the log beside which memory is seen to be flat. */
const SHORT_SHARE = 10
const OF_CURSOR = 1
/** A log ten times as long may take a quarter more at its peak: the collector's own ups and downs. */
const FLAT = 0.8

/** How fast a log is checked from its first row to its last, against reading it and looking at nothing; and an export, offline. */
export const benchVerify: Bench = async (run) => {
  const { rounds, rows } = SIZES[run.scale]
  const stand = await startReaders()
  try {
    run.say(`  storing ${rows} rows`)
    const long = await storeLongLog(stand.superuser, rows, run.seed)
    const short = await storeLongLog(stand.superuser, rows / SHORT_SHARE, run.seed)
    const peaks = [await stand.peakOfVerifying(short), await stand.peakOfVerifying(long)] as const
    const sides = {
      ours: () => stand.read({ side: 'verify', tenantId: long }),
      cursor: () => stand.read({ side: 'cursor', tenantId: long }),
      node: () => stand.readInNode(long),
    }
    const { ours, cursor, node } = await inRounds(rounds, sides, run.say)
    const unit = 'rows/s'
    const results: BenchResult[] = [
      compared({
        name: 'verify: end to end, against a bare cursor in workerd',
        unit,
        ours,
        peer: cursor,
        limit: OF_CURSOR,
      }),
      compared({ name: 'verify: end to end, against a bare cursor in Node', unit, ours, peer: node, limit: OF_CURSOR }),
    ]
    return [...results, ...flatness(...peaks), await benchExport(run)]
  } finally {
    await stand.stop()
  }
}

/** Nothing where the system does not tell how large a process is. */
function flatness(short: number | null, long: number | null): BenchResult[] {
  if (short === null || long === null) return []
  const name = 'verify: peak memory, against a log a tenth as long'
  return [compared({ name, unit: 'MB', ours: [long], peer: [short], limit: FLAT, lessIsBetter: true })]
}

async function startReaders() {
  const database = await startThrowawayPostgres('shipped')
  const superuser = postgres(database.superuserUrl, { max: 1, onnotice: () => {} })
  const pooled = database.pooledUrlFor('flarewatch_verifier')
  const { port } = await freePorts('port')
  const contents = await bundle(WORKER)
  const boot = () =>
    startWorkerd([
      {
        name: 'chain-reader',
        modules: [{ type: 'ESModule', path: 'chain-reader.mjs', contents }],
        compatibilityDate: '2026-11-01',
        compatibilityFlags: ['nodejs_compat'],
        hyperdrives: { DB: pooled },
        unsafeDirectSockets: [{ host: '127.0.0.1', port }],
      },
    ])
  let workerd = await boot()
  return {
    superuser,
    read: async (job: ReadJob): Promise<Measure> => {
      const { rows, ms } = await ask<ReadAnswer>(port, job)
      return { times: rows, ms, work: `${rows} rows` }
    },
    readInNode: async (tenantId: string): Promise<Measure> => {
      const began = performance.now()
      const rows = await readBarely(pooled, tenantId)
      return { times: rows, ms: performance.now() - began, work: `${rows} rows` }
    },
    /** In a workerd of its own: what others left behind is not this log's. */
    peakOfVerifying: async (tenantId: string): Promise<number | null> => {
      await workerd.stop()
      workerd = await boot()
      const job: ReadJob = { side: 'verify', tenantId }
      const { peakMb } = await peakOfWorkerd(() => ask<ReadAnswer>(port, job))
      return peakMb
    },
    stop: async () => {
      await workerd.stop()
      await superuser.end({ timeout: 1 })
      await database.stop()
    },
  }
}

async function readBarely(url: string, tenantId: string): Promise<number> {
  const sql = postgres(url, { max: 1, prepare: false, fetch_types: false })
  try {
    let rows = 0
    const pages = sql`
      select epoch, seq, row_id, at, key_version, previous_hash, actor_tag, action_tag, target_tag, sealed, hash
      from flarewatch.audit_log where tenant_id = ${tenantId} order by epoch, seq`.cursor(CURSOR_ROWS)
    for await (const page of pages) rows += page.length
    return rows
  } finally {
    await sql.end({ timeout: 1 })
  }
}
