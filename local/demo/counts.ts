import postgres from 'postgres'

/** What the demo has stored so far, over all tenants. */
export type Stored = {
  readonly sites: number
  readonly credentials: number
  readonly polls: number
  readonly metric_rows: number
  readonly audit_rows: number
}

/** A poll counts when its job is done: a failed, partial or throttled run is recorded as such and is none. */
export async function countStored(superuserUrl: string): Promise<Stored> {
  const sql = postgres(superuserUrl, { max: 1, onnotice: () => {} })
  try {
    const [stored] = await sql<Stored[]>`
      select (select count(*) from flarewatch.sites)::int as sites,
             (select count(*) from flarewatch.credentials)::int as credentials,
             (select count(*) from flarewatch.jobs where state = 'done')::int as polls,
             ((select count(*) from flarewatch.facts_hourly) + (select count(*) from flarewatch.facts_daily))::int
               as metric_rows,
             (select count(*) from flarewatch.audit_log)::int as audit_rows`
    if (stored === undefined) throw new Error('the counts are missing')
    return { ...stored }
  } finally {
    await sql.end()
  }
}
