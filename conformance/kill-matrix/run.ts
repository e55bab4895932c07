import { setTimeout as sleep } from 'node:timers/promises'
import postgres from 'postgres'
import { until } from '../stack.ts'
import { type Closing, closeBooks } from './closing.ts'
import {
  type Acknowledged,
  brokenRows,
  type Head,
  heads,
  lostIntents,
  lostRows,
  lostSteps,
  pollKeys,
  receiptKeys,
  unexplainedIncidents,
  wrongHeads,
} from './invariants.ts'
import { type Onlooker, openOnlooker } from './onlooker.ts'
import { enrolOwner, type Owner } from './owner.ts'
import { timePhases, workOf } from './phases.ts'
import { type Phase, planRounds, type Round, type Scale } from './plan.ts'
import { bootStackUnderTest, type StackUnderTest } from './stack-under-test.ts'

/** The kill matrix: a stack, and what is left of it after each of its parts was killed in the middle of each kind of work. */
export type RoundReport = Pick<Round, 'victim' | 'act' | 'phase' | 'pauseMs'> & {
  readonly round: number
  readonly at_ms: number
  /** When the supervisor was killed again, counted from its new start. */
  readonly again_ms: number | null
  readonly recovered_ms: number
  readonly findings: readonly string[]
}
export type Report = Closing & {
  readonly ok: boolean
  readonly seed: number
  readonly scale: Scale
  readonly kills: number
  readonly pauses: number
  readonly phases_ms: Record<Phase, number>
  readonly slowest_recovery_ms: number
  readonly findings: readonly string[]
  readonly rounds: readonly RoundReport[]
  /** Kept for a look when something was found. */
  readonly dir: string | null
}

export type Options = { readonly seed: number; readonly scale: Scale; readonly say: (line: string) => void }

const LAST_STRIKE = { act: 'kill', choice: 0, pauseMs: 0 } as const
/** The demo's own and the one whose phases were timed. */
const TENANTS_TIMED = 2
const DRAIN_DEADLINE_MS = 45_000
const CONNECT_TIMEOUT_SECONDS = 5

export async function runMatrix({ seed, scale, say }: Options): Promise<Report> {
  const stack = await bootStackUnderTest()
  const onlooker = await openOnlooker(stack)
  let isStopped = false
  try {
    const rounds = planRounds(seed, scale)
    const seen = emptyMemory()
    const timings = await withSql(stack, async (sql) => timePhases(stack, await enrolOwner(stack), sql))
    say(
      `seed ${seed}, ${rounds.length} rounds; undisturbed: ${Object.entries(timings)
        .map(([phase, ms]) => `${phase} ${ms} ms`)
        .join(', ')}`,
    )
    const reports: RoundReport[] = []
    for (const [index, round] of rounds.entries()) {
      // The verifier has one chain more to walk in each round.
      const phaseMs =
        round.phase === 'verifying' ? timings.verifying * (1 + index / TENANTS_TIMED) : timings[round.phase]
      const report = await play({ stack, onlooker, seen }, round, index + 1, phaseMs)
      reports.push(report)
      say(line(report, rounds.length))
    }
    const closing = await withSql(stack, (sql) => closeBooks(stack, sql, () => judge(sql, seen)))
    isStopped = true
    // Ctrl-C must end all of it also while parts are on their way back.
    for (const victim of ['postgres', 'workerd'] as const) await stack.strike({ ...LAST_STRIKE, victim })
    const left = await stack.stop()
    return conclude({ seed, scale, timings, reports, closing, left, stack })
  } finally {
    await onlooker.leave()
    if (!isStopped) {
      say(`broken off; the stack's folder is kept: ${stack.dir}`)
      await stack.stop().catch(() => {})
    }
  }
}

/** What has been seen: it must never be gone, and a fault is told once. */
type Memory = {
  heads: Head[]
  readonly told: Set<string>
  readonly acknowledged: { readonly [Kind in keyof Acknowledged]: Set<string> }
}

function emptyMemory(): Memory {
  return {
    heads: [],
    told: new Set(),
    acknowledged: { tenants: new Set(), credentials: new Set(), receipts: new Set(), polls: new Set() },
  }
}

type Scene = { readonly stack: StackUnderTest; readonly onlooker: Onlooker; readonly seen: Memory }

async function play(
  { stack, onlooker, seen }: Scene,
  round: Round,
  number: number,
  phaseMs: number,
): Promise<RoundReport> {
  const work = workOf(stack)[round.phase]
  const owner = await enrolOwner(stack)
  await work.prepare(owner)
  const disturbed = work.disturbed(owner)
  // Looked at below, when the stack is back; until then a refusal is nobody's.
  disturbed.catch(() => {})
  const at = Math.round(round.moment * phaseMs)
  await sleep(at)
  const [recovered, whileAway] = await Promise.all([
    stack.strike(round).then(() => stack.recover(round)),
    onlooker.look(),
  ])
  const findings: string[] = [...whileAway, ...(await onlooker.lookAgain())]
  const refused = await disturbed.then(
    () => [],
    (error: unknown) => [error instanceof Error ? error.message : String(error)],
  )
  findings.push(...refused)
  remember(seen, round, owner)
  findings.push(...(await withSql(stack, async (sql) => [...(await drained(sql, owner)), ...(await judge(sql, seen))])))
  const { victim, act, phase, pauseMs, againMs } = round
  return { round: number, victim, act, phase, pauseMs, at_ms: at, again_ms: againMs, recovered_ms: recovered, findings }
}

/** The owner's calls come back only when they were acknowledged. */
function remember({ acknowledged }: Memory, { phase }: Round, { tenantId, credentialId }: Owner): void {
  acknowledged.tenants.add(tenantId)
  if (phase !== 'verifying') acknowledged.credentials.add(credentialId)
}

/** A row written now comes after every row that waits: when it is stored, none is stuck. */
async function drained(sql: postgres.Sql, owner: Owner): Promise<string[]> {
  const seq = async () => {
    const [head] = await sql<{ seq: number }[]>`
      select seq::int as seq from flarewatch.audit_heads where tenant_id = ${owner.tenantId}`
    return head?.seq ?? 0
  }
  const before = await seq()
  try {
    await owner.stepUp()
    await until(async () => (await seq()) > before, `the log of ${owner.tenantId} drains`, DRAIN_DEADLINE_MS)
    return []
  } catch (error) {
    return [error instanceof Error ? error.message : String(error)]
  }
}

async function judge(sql: postgres.Sql, seen: Memory): Promise<string[]> {
  const findings = [
    ...(await brokenRows(sql)),
    ...(await wrongHeads(sql)),
    ...(await lostRows(sql, seen.heads)),
    ...(await lostIntents(sql)),
    ...(await lostSteps(sql, seen.acknowledged)),
    ...(await unexplainedIncidents(sql)),
  ]
  seen.heads = await heads(sql)
  for (const { key } of await receiptKeys(sql)) seen.acknowledged.receipts.add(key)
  for (const { key } of await pollKeys(sql)) seen.acknowledged.polls.add(key)
  const news = findings.filter((finding) => !seen.told.has(finding))
  for (const finding of news) seen.told.add(finding)
  return news
}

async function withSql<Value>(stack: StackUnderTest, act: (sql: postgres.Sql) => Promise<Value>): Promise<Value> {
  const { postgres_superuser_url } = await stack.running()
  const sql = postgres(postgres_superuser_url, { max: 2, onnotice: () => {}, connect_timeout: CONNECT_TIMEOUT_SECONDS })
  return await act(sql).finally(() => sql.end({ timeout: 1 }))
}

type Ending = {
  readonly seed: number
  readonly scale: Scale
  readonly timings: Record<Phase, number>
  readonly reports: readonly RoundReport[]
  readonly closing: Closing & { readonly findings: readonly string[] }
  readonly left: readonly string[]
  readonly stack: StackUnderTest
}

function conclude({ seed, scale, timings, reports, closing, left, stack }: Ending): Report {
  const findings = [
    ...reports.flatMap(({ round, findings }) => findings.map((finding) => `round ${round}: ${finding}`)),
    ...closing.findings,
    ...left,
  ]
  const ok = findings.length === 0
  if (ok) stack.remove()
  return {
    ok,
    seed,
    scale,
    kills: reports.reduce((sum, { act, again_ms }) => sum + Number(act === 'kill') + Number(again_ms !== null), 0),
    pauses: reports.filter(({ act }) => act === 'pause').length,
    phases_ms: timings,
    slowest_recovery_ms: Math.max(0, ...reports.map(({ recovered_ms }) => recovered_ms)),
    ...closing,
    findings,
    rounds: reports,
    dir: ok ? null : stack.dir,
  }
}

function line(report: RoundReport, all: number): string {
  const { round, victim, act, phase, pauseMs, at_ms, again_ms, recovered_ms, findings } = report
  const what = act === 'kill' ? 'killed' : `paused ${pauseMs} ms`
  const again = again_ms === null ? '' : ` and again ${again_ms} ms into its boot`
  const when = `${at_ms} ms into ${phase}${again}`
  const verdict = findings.length === 0 ? 'ok' : findings.join('; ')
  return `${String(round).padStart(3)}/${all} ${victim} ${what} ${when}: back after ${recovered_ms} ms: ${verdict}`
}
