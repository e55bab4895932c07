import { METRICS, type MetricName } from '../../../domain/metrics/definitions.ts'
import { STATEMENTS_SCHEMA } from '../../../domain/providers/supabase/queries.ts'
import { isActive, type Project } from '../../../domain/providers/supabase/schemas.ts'
import { connectorOf } from './connector.ts'
import { type Fact, type PolledSite, ProviderFailure, type RunTools } from './provider.ts'
import { SupabaseClient } from './supabase-client.ts'

/** A reading is of a moment. It stands for the hour in which it was taken; a later one takes its place, and the last of a day is the day's. */
const HOUR_MS = 3_600_000
/** A run that takes longer ends as partial; the next one reads all anew. */
const MAX_RUN_MS = 4 * 60_000

const STATUS = 'supabase.projects'
const DATABASE = 'supabase.database'
const STATEMENTS = 'supabase.pg_stat_statements'
type Reading = { readonly metric: MetricName; readonly value: number; readonly source: string }
/** `failure`: why its database was not read; null when it was, or when there is none to read. */
type ProjectRead = { readonly readings: readonly Reading[]; readonly failure: ProviderFailure | null }

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
    const { readings, failure } = await readProject(client, project)
    await storeReadings(tools, site, readings)
    if (failure !== null) failures.push(failure)
    else if (isActive(project)) read += 1
  }
  const [first] = failures
  // One database that does not answer is that project's trouble; when none does, it is the token's or Supabase's.
  if (first !== undefined && read === 0) throw first
  if (first !== undefined) {
    return { state: 'partial', reason: first.code === 'provider_forbidden' ? 'project_forbidden' : 'project_unread' }
  }
  return missing > 0 ? { state: 'partial', reason: 'site_missing' } : { state: 'complete', reason: null }
})

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

async function readProject(client: SupabaseClient, project: Project): Promise<ProjectRead> {
  const readings: Reading[] = [{ metric: 'project_active', value: isActive(project) ? 1 : 0, source: STATUS }]
  if (!isActive(project)) return { readings, failure: null }
  try {
    const database = await client.database(project.ref)
    readings.push(
      { metric: 'database_bytes', value: database.database_bytes, source: DATABASE },
      { metric: 'database_connections', value: database.connections, source: DATABASE },
      { metric: 'database_connection_limit', value: database.connection_limit, source: DATABASE },
    )
    if (database.statements_schema === STATEMENTS_SCHEMA) {
      const value = await client.slowStatements(project.ref)
      readings.push({ metric: 'slow_statements', value, source: STATEMENTS })
    }
    return { readings, failure: null }
  } catch (error) {
    if (!(error instanceof ProviderFailure) || OF_THE_TOKEN.has(error.code)) throw error
    return { readings, failure: error }
  }
}

function factOf({ metric, value, source }: Reading, windowStart: number): Fact {
  const { unit } = METRICS[metric]
  const window = { windowStart, windowEnd: windowStart + HOUR_MS }
  return { metric, unit, currency: null, ...window, value, source, sampling: 1, completeness: 'complete' }
}
