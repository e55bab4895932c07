import type postgres from 'postgres'

export type FactsReport = { readonly compared: number; readonly findings: string[] }

/** A poll that begins later sees an hour or a day more, and asks back an hour or a day less. */
const EDGE = { hourly: '3 hours', daily: '2 days' } as const

/**
 * Holds every tenant's complete facts against those of one that was polled undisturbed: all tenants watch the same simulated
 * sites. Between the later beginning and the earlier end the two must be the same, and neither end may be far off.
 */
export async function compareFacts(sql: postgres.Sql, referenceTenant: string): Promise<FactsReport> {
  const reports = await Promise.all(
    (['hourly', 'daily'] as const).map((grain) => compareGrain(sql, grain, referenceTenant)),
  )
  return {
    compared: reports.reduce((sum, { compared }) => sum + compared, 0),
    findings: reports.flatMap(({ findings }) => findings),
  }
}

async function compareGrain(sql: postgres.Sql, grain: keyof typeof EDGE, reference: string): Promise<FactsReport> {
  const rows = await sql<
    { tenant_id: string; compared: number; differing: number; example: string | null; far: boolean }[]
  >`
    with facts as materialized (
      select fact.tenant_id, provider_ref, metric, window_start, value
      from ${sql(`flarewatch.facts_${grain}`)} fact join flarewatch.sites site on site.id = fact.site_id
      -- The demo's agency alone has an account at another provider too.
      where completeness = 'complete' and fact.provider = 'cloudflare'
    ), reach as (
      select tenant.id as tenant_id, known.metric, min(window_start) as first, max(window_start) as last
      from flarewatch.tenants tenant
        cross join (select distinct metric from facts where tenant_id = ${reference}) known
        left join facts on facts.tenant_id = tenant.id and facts.metric = known.metric
      where exists (select from flarewatch.credentials held where held.tenant_id = tenant.id)
      group by tenant.id, known.metric
    ), pairs as (
      select r.tenant_id, r.metric, greatest(r.first, ref.first) as first, least(r.last, ref.last) as last,
        coalesce(abs(extract(epoch from r.first - ref.first)) > extract(epoch from ${EDGE[grain]}::interval)
          or abs(extract(epoch from r.last - ref.last)) > extract(epoch from ${EDGE[grain]}::interval), true) as far
      from reach r join (select * from reach where tenant_id = ${reference}) ref using (metric)
      where r.tenant_id <> ${reference}
    ), expected as (
      select pairs.tenant_id, provider_ref, metric, window_start, value
      from facts join pairs using (metric)
      where facts.tenant_id = ${reference} and window_start between pairs.first and pairs.last
    ), actual as (
      select facts.* from facts join pairs using (tenant_id, metric) where window_start between pairs.first and pairs.last
    ), compared as (
      select tenant_id, count(*)::int as compared,
        (count(*) filter (where expected.value is distinct from actual.value))::int as differing,
        min(metric || ' of ' || provider_ref || ' at ' || window_start || ': '
          || coalesce(actual.value::text, 'nothing') || ' instead of ' || coalesce(expected.value::text, 'nothing'))
          filter (where expected.value is distinct from actual.value) as example
      from expected full join actual using (tenant_id, provider_ref, metric, window_start) group by tenant_id
    )
    select reached.tenant_id, coalesce(compared, 0) as compared, coalesce(differing, 0) as differing, example, reached.far
    from (select tenant_id, bool_or(far) as far from pairs group by tenant_id) reached left join compared using (tenant_id)`
  return {
    compared: rows.reduce((sum, { compared }) => sum + compared, 0),
    findings: rows.flatMap(({ tenant_id, differing, example, far }) => [
      ...(differing === 0 ? [] : [`${differing} ${grain} facts of ${tenant_id} differ, such as ${example}`]),
      ...(far ? [`the ${grain} facts of ${tenant_id} do not reach as far as those of an undisturbed tenant`] : []),
    ]),
  }
}
