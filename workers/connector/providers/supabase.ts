import { METRICS, type MetricName } from '../../../domain/metrics/definitions.ts'
import { LINT_NAMES, type LintName, MAX_OF_A_LINT } from '../../../domain/providers/supabase/lints.ts'
import { MAX_SLOW_STATEMENTS, STATEMENTS_SCHEMA } from '../../../domain/providers/supabase/queries.ts'
import { LOGS_MS } from '../../../domain/providers/supabase/readings.ts'
import { isActive, type Project } from '../../../domain/providers/supabase/schemas.ts'
import { connectorOf } from './connector.ts'
import { type Fact, type PolledSite, ProviderFailure, type RunTools } from './provider.ts'
import { type DatabaseReading, type Lints, type SlowStatements, SupabaseClient } from './supabase-client.ts'

/** A reading is of a moment. It stands for the hour in which it was taken; a later one takes its place, and the last of a day is the day's. */
const HOUR_MS = 3_600_000
/** After which a line of an hour is taken to have reached Supabase's logs. */
const LOG_LAG_MS = 5 * 60_000
/** A run that takes longer ends as partial; the next one reads all anew. */
const MAX_RUN_MS = 4 * 60_000

const STATUS = 'supabase.projects'
const DATABASE = 'supabase.database'
const STATEMENTS = 'supabase.pg_stat_statements'
const LOGS = 'supabase.function_edge_logs'
type Reading = { readonly metric: MetricName; readonly value: number; readonly source: string }

/** These end the run: they are of the token and the user, whichever project was asked about. */
const OF_THE_TOKEN: ReadonlySet<string> = new Set(['provider_unauthorized', 'provider_rate_limited'])

/** One run over all projects of a token: whether each is active, and how its database is now. */
export const pollSupabase = connectorOf(async (access, sites, tools) => {
  const client = new SupabaseClient(access)
  const deadline = (await tools.clock()) + MAX_RUN_MS
  const projects = await client.projects()
  const failures: ProviderFailure[] = []
  let [missing, read] = [0, 0]
  for (const site of sites) {
    if ((await tools.clock()) > deadline) return { state: 'partial', reason: 'run_too_long' }
    const project = projects.get(site.providerRef)
    if (project === undefined) {
      missing += 1
      continue
    }
    const { failure, isRead } = await pollProject(client, project, site, tools)
    if (failure !== null) failures.push(failure)
    if (isRead) read += 1
  }
  const [first] = failures
  // One database that does not answer is that project's trouble; when none does, it is the token's or Supabase's.
  if (first !== undefined && read === 0) throw first
  if (first !== undefined) {
    return { state: 'partial', reason: first.code === 'provider_forbidden' ? 'project_forbidden' : 'project_unread' }
  }
  return missing > 0 ? { state: 'partial', reason: 'site_missing' } : { state: 'complete', reason: null }
})

/** `failure`: what was not read of it, and why; null too when it is paused, and has no database to read. */
async function pollProject(
  client: SupabaseClient,
  project: Project,
  site: PolledSite,
  tools: RunTools,
): Promise<{ readonly failure: ProviderFailure | null; readonly isRead: boolean }> {
  const readings: Reading[] = [{ metric: 'project_active', value: isActive(project) ? 1 : 0, source: STATUS }]
  let slow: SlowStatements | null = null
  const failure = await failureOf(async () => {
    if (!isActive(project)) return
    const database = await client.database(project.ref)
    readings.push(...databaseReadings(database))
    if (database.statements_schema !== STATEMENTS_SCHEMA) return
    slow = await client.slowStatements(project.ref)
    readings.push({ metric: 'slow_statements', value: slow.slow_statements, source: STATEMENTS })
  })
  await storeReadings(tools, site, readings)
  if (slow !== null) await storeSlow(tools, site, slow)
  if (failure !== null || !isActive(project)) return { failure, isRead: false }
  return { failure: await failureOf(() => readOnceAnHour(client, project, site, tools)), isRead: true }
}

/** What is of one project alone; the rest ends the run. */
async function failureOf(read: () => Promise<void>): Promise<ProviderFailure | null> {
  try {
    await read()
    return null
  } catch (error) {
    if (!(error instanceof ProviderFailure) || OF_THE_TOKEN.has(error.code)) throw error
    return error
  }
}

function databaseReadings(database: DatabaseReading): readonly Reading[] {
  return [
    { metric: 'database_bytes', value: database.database_bytes, source: DATABASE },
    { metric: 'database_connections', value: database.connections, source: DATABASE },
    { metric: 'database_connection_limit', value: database.connection_limit, source: DATABASE },
  ]
}

async function storeReadings(
  { clock, store }: RunTools,
  { id: siteId }: PolledSite,
  readings: readonly Reading[],
): Promise<void> {
  const fetchedAt = await clock()
  const windowStart = Math.floor(fetchedAt / HOUR_MS) * HOUR_MS
  const facts = readings.map((reading) => factOf(reading, windowStart))
  // No cursor: what was not read in its hour cannot be read later.
  await store({ siteId, dataset: 'hourly', facts, completeUntil: null, fetchedAt })
}

async function storeSlow({ clock, storeFindings }: RunTools, { id: siteId }: PolledSite, { slowest }: SlowStatements) {
  const findings = slowest.map(({ id, calls, mean_ms }) => ({
    kind: 'slow_statement' as const,
    subject: id,
    detail: `${mean_ms} ms on average, over ${calls} ${calls === 1 ? 'call' : 'calls'}`,
  }))
  const whole = slowest.length < MAX_SLOW_STATEMENTS ? (['slow_statement'] as const) : []
  await storeFindings({ siteId, findings, whole, at: await clock() })
}

/**
 * What changes slowly or costs Supabase more is asked when an hour is over: lints, and the errors of functions, which the cursor counts. Lints
 * first, so that the cursor stands for both.
 */
async function readOnceAnHour(
  client: SupabaseClient,
  { ref }: Project,
  site: PolledSite,
  tools: RunTools,
): Promise<void> {
  const until = Math.floor(((await tools.clock()) - LOG_LAG_MS) / HOUR_MS) * HOUR_MS
  const { hourly: cursor } = site.cursors
  if (cursor !== null && cursor >= until) return
  await storeLints(tools, site, await client.lints(ref))
  await storeErrors(client, ref, site, tools, errorsWindow(cursor, until))
}

async function storeLints({ clock, storeFindings }: RunTools, { id: siteId }: PolledSite, lints: Lints): Promise<void> {
  const ofLint = (name: LintName) => lints.filter(({ lint }) => lint === name)
  await storeFindings({
    siteId,
    findings: LINT_NAMES.flatMap((name) =>
      ofLint(name)
        .slice(0, MAX_OF_A_LINT)
        .map(({ subject }) => ({ kind: name, subject, detail: null })),
    ),
    whole: LINT_NAMES.filter((name) => ofLint(name).length <= MAX_OF_A_LINT),
    at: await clock(),
  })
}

/** From the cursor on, and no further back than logs are kept. */
function errorsWindow(cursor: number | null, until: number): { readonly from: number; readonly to: number } {
  const kept = until - LOGS_MS
  return { from: Math.max(cursor ?? kept, kept), to: until }
}

/** An hour without a call had no error. */
async function storeErrors(
  client: SupabaseClient,
  ref: string,
  { id: siteId }: PolledSite,
  { clock, store }: RunTools,
  { from, to }: { readonly from: number; readonly to: number },
): Promise<void> {
  const errors = await client.functionErrors(ref, from, to)
  const fetchedAt = await clock()
  const hours = Array.from({ length: (to - from) / HOUR_MS }, (_, index) => from + index * HOUR_MS)
  const reading = (value: number): Reading => ({ metric: 'function_errors', value, source: LOGS })
  // A token that may not read logs has no such figure, and its hours are over all the same.
  const facts = errors === null ? [] : hours.map((hour) => factOf(reading(errors.get(hour) ?? 0), hour))
  await store({ siteId, dataset: 'hourly', facts, completeUntil: to, fetchedAt })
}

function factOf({ metric, value, source }: Reading, windowStart: number): Fact {
  const { unit } = METRICS[metric]
  const window = { windowStart, windowEnd: windowStart + HOUR_MS }
  return { metric, unit, currency: null, ...window, value, source, sampling: 1, completeness: 'complete' }
}
