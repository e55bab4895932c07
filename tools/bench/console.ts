import { randomUUID } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Agency, foundAgency } from '../../conformance/agency.ts'
import { attach } from '../../conformance/canary/attach.ts'
import type { RunFile } from '../../conformance/run-file.ts'
import { fireCron, issueToken, untilPolled } from '../../conformance/stack.ts'
import { escapes } from '../../edge-functions/sql-console/corpus.ts'
import { type BenchResult, compared, inRounds, type Measure, percentile } from './compare.ts'
import type { Bench } from './scale.ts'

const SIZES = { ci: { rounds: 1, reads: 40 }, full: { rounds: 3, reads: 300 } } as const
const READS_IN_FLIGHT = 4
/** As many as a tenant may have at once. */
const STATEMENTS_AT_ONCE = 2
/** Half as quick is what a neighbour may be at worst, where statements, Postgres and Workers share a machine. */
const OF_QUIET = 0.5
const DAY_MS = 86_400_000

/** What one agency's console bombs do to another's dashboard: its p99 with them, against the same without. */
export const benchConsole: Bench = async ({ scale, say }) => {
  const { rounds, reads } = SIZES[scale]
  const dir = mkdtempSync(join(tmpdir(), 'flarewatch-console-'))
  const { run, stop } = await attach(dir)
  try {
    const [abuser, neighbour] = [await foundAgency(run), await foundAgency(run)]
    const path = await metricsOf(run, neighbour)
    const p99 = { abused: [] as number[], quiet: [] as number[] }
    const read = async (latencies: number[]): Promise<Measure> => {
      const { ms, times } = await readMetrics(neighbour, path, reads)
      latencies.push(percentile(times, 0.99))
      return { times: reads, ms, work: 'answered' }
    }
    const abused = async () => {
      const bombs = throwBombs(abuser)
      await bombs.thrown
      return read(p99.abused).finally(bombs.stop)
    }
    await inRounds(rounds, { abused, quiet: () => read(p99.quiet) }, say)
    return [result(p99)]
  } finally {
    await stop()
    rmSync(dir, { recursive: true, force: true })
  }
}

function result({ abused, quiet }: { readonly abused: number[]; readonly quiet: number[] }): BenchResult {
  return compared({
    name: 'console: p99 of another’s metrics beside bombs, against without',
    unit: 'ms',
    // The warm-up's is left out.
    ours: abused.slice(1),
    peer: quiet.slice(1),
    limit: OF_QUIET,
    lessIsBetter: true,
  })
}

async function metricsOf(run: RunFile, agency: Agency): Promise<string> {
  await agency.store(await issueToken(run))
  await fireCron(run, 'scheduler', '* * * * *')
  await untilPolled(agency.owner)
  const { sites } = (await agency.owner.read('/api/sites')).body as { sites: { id: string }[] }
  const today = Math.floor(Date.now() / DAY_MS) * DAY_MS
  const [from, to] = [today - 30 * DAY_MS, today].map((at) => new Date(at).toISOString())
  return `/api/sites/${sites[0]?.id}/metrics?${new URLSearchParams({ grain: 'day', from: from ?? '', to: to ?? '' })}`
}

async function readMetrics({ owner }: Agency, path: string, reads: number) {
  const times: number[] = []
  let left = reads
  const began = performance.now()
  const reader = async () => {
    for (; left > 0; ) {
      left -= 1
      const asked = performance.now()
      const { status, text } = await owner.read(path)
      if (status !== 200) throw new Error(`metrics: ${status} ${text}`)
      times.push(performance.now() - asked)
    }
  }
  await Promise.all(Array.from({ length: READS_IN_FLIGHT }, reader))
  return { ms: performance.now() - began, times }
}

/** The corpus' bombs, one after another on each connection that a tenant may have, until they are stopped. */
function throwBombs({ owner, tenantId }: Agency) {
  const bombs = escapes({}).filter(({ name, parser }) => parser === 'runs' && /bomb|spills/.test(name))
  if (bombs.length === 0) throw new Error('the corpus has no bombs')
  const running = new Set<string>()
  let isOver = false
  const { promise: thrown, resolve } = Promise.withResolvers<void>()
  const lane = async (first: number) => {
    for (let at = first; !isOver; at += 1) {
      const statement_id = randomUUID()
      running.add(statement_id)
      const asked = owner.call('sql-console', {
        tenant_id: tenantId,
        statement_id,
        statement: bombs[at % bombs.length]?.text,
      })
      if (running.size === STATEMENTS_AT_ONCE) resolve()
      const { status, text } = await asked
      running.delete(statement_id)
      if (status !== 200 && status !== 429) throw new Error(`sql-console: ${status} ${text}`)
    }
  }
  const lanes = Promise.all(Array.from({ length: STATEMENTS_AT_ONCE }, (_, first) => lane(first)))
  return {
    thrown,
    stop: async () => {
      isOver = true
      for (const cancel of running) await owner.call('sql-console', { tenant_id: tenantId, cancel })
      await lanes
    },
  }
}
