import type postgres from 'postgres'

/** What must hold whatever was killed, read from Postgres alone. Each finding is one sentence. */
export type Head = { readonly tenant_id: string; readonly seq: number; readonly hash: string }

/**
 * Every chain from row 1: no gap, no double, each row hashing the one before it, and every hash computed again here from the
 * columns, as docs/formats.md lays them out.
 */
export async function brokenRows(sql: postgres.Sql): Promise<string[]> {
  const rows = await sql<{ tenant_id: string; seq: string; why: string }[]>`
    with stored as (
      select tenant_id, seq, hash, previous_hash,
        row_number() over chain as place,
        coalesce(lag(hash) over chain, sha256(
          int4send(octet_length('flarewatch/audit-genesis/v1'::bytea)) || 'flarewatch/audit-genesis/v1'::bytea
          || uuid_send(tenant_id))) as expected_previous,
        sha256(int4send(octet_length('flarewatch/audit-row/v1'::bytea)) || 'flarewatch/audit-row/v1'::bytea
          || uuid_send(tenant_id) || int4send(epoch) || int8send(seq) || uuid_send(row_id)
          || int8send((extract(epoch from at) * 1000)::bigint) || int4send(key_version) || previous_hash
          || actor_tag || action_tag || target_tag || int4send(octet_length(sealed)) || sealed) as expected_hash
      from flarewatch.audit_log
      window chain as (partition by tenant_id order by seq, received_at)
    )
    select tenant_id, seq::text, case
      when seq <> place then 'is at place ' || place
      when previous_hash <> expected_previous then 'does not follow the row before it'
      else 'does not have the hash of its columns' end as why
    from stored
    where seq <> place or previous_hash <> expected_previous or hash <> expected_hash
    union all
    select tenant_id, max(seq)::text, 'is in the log more than once' from flarewatch.audit_log
    group by tenant_id, row_id having count(*) > 1
    limit 20`
  return rows.map(({ tenant_id, seq, why }) => `audit row ${seq} of ${tenant_id} ${why}`)
}

export async function wrongHeads(sql: postgres.Sql): Promise<string[]> {
  const rows = await sql<{ tenant_id: string }[]>`
    select coalesce(head.tenant_id, last.tenant_id) as tenant_id
    from flarewatch.audit_heads head
    full join (select distinct on (tenant_id) tenant_id, seq, hash from flarewatch.audit_log
               order by tenant_id, seq desc) last using (tenant_id)
    where (head.seq, head.hash) is distinct from (last.seq, last.hash)`
  return rows.map(({ tenant_id }) => `audit_heads disagrees with the last row of ${tenant_id}`)
}

export async function heads(sql: postgres.Sql): Promise<Head[]> {
  const rows = await sql<Head[]>`
    select tenant_id, seq::int as seq, encode(hash, 'hex') as hash from flarewatch.audit_heads`
  return rows.map((row) => ({ ...row }))
}

/** Rows that were seen before must be there still, unchanged. */
export async function lostRows(sql: postgres.Sql, seen: readonly Head[]): Promise<string[]> {
  const rows = await sql<Head[]>`
    select tenant_id, seq, hash
    from jsonb_to_recordset(${sql.json(seen.map((head) => ({ ...head })))}::jsonb) as seen (tenant_id uuid, seq int, hash text)
    where not exists (
      select from flarewatch.audit_log row
      where row.tenant_id = seen.tenant_id and row.seq = seen.seq and encode(row.hash, 'hex') = seen.hash)`
  return rows.map(({ tenant_id, seq }) => `audit row ${seq} of ${tenant_id} was there and is gone or changed`)
}

/** A release whose job says so must have its intent row in the log. */
export async function lostIntents(sql: postgres.Sql): Promise<string[]> {
  const rows = await sql<{ id: string }[]>`
    select id from flarewatch.jobs job
    where intent_row is not null and not exists (
      select from flarewatch.audit_log row where row.tenant_id = job.tenant_id and row.row_id = job.intent_row)`
  return rows.map(({ id }) => `the intent row of job ${id} is not in the log`)
}

export type Acknowledged = {
  readonly tenants: ReadonlySet<string>
  readonly credentials: ReadonlySet<string>
  /** Receipts and finished polls that were seen once. */
  readonly receipts: ReadonlySet<string>
  readonly polls: ReadonlySet<string>
}

export async function lostSteps(sql: postgres.Sql, acknowledged: Acknowledged): Promise<string[]> {
  const [tenants, credentials, receipts, polls] = await Promise.all([
    sql<{ key: string }[]>`select id as key from flarewatch.tenants where state = 'active'`,
    sql<{ key: string }[]>`select id as key from flarewatch.credentials where state = 'active'`,
    receiptKeys(sql),
    pollKeys(sql),
  ])
  const missing = (what: string, wanted: ReadonlySet<string>, found: readonly { key: string }[]) => {
    const there = new Set(found.map(({ key }) => key))
    return [...wanted].filter((key) => !there.has(key)).map((key) => `${what} ${key} was acknowledged and is gone`)
  }
  return [
    ...missing('tenant', acknowledged.tenants, tenants),
    ...missing('credential', acknowledged.credentials, credentials),
    ...missing('receipt', acknowledged.receipts, receipts),
    ...missing('poll', acknowledged.polls, polls),
  ]
}

export function receiptKeys(sql: postgres.Sql): Promise<{ key: string }[]> {
  return sql<{ key: string }[]>`
    select log || ' ' || size || ' ' || encode(root, 'hex') as key from flarewatch.receipts`
}

export function pollKeys(sql: postgres.Sql): Promise<{ key: string }[]> {
  return sql<{ key: string }[]>`select id as key from flarewatch.jobs where state = 'done'`
}

/** What a kill may leave an incident of: a message that came twice, and a job that five lost leases have ended. */
const EXPLAINED = ['queue_message_refused', 'job_dead']

export async function unexplainedIncidents(sql: postgres.Sql): Promise<string[]> {
  const rows = await sql<{ kind: string; tenant_id: string | null; detail: string }[]>`
    select kind, tenant_id, detail::text from flarewatch.incidents where kind <> all (${EXPLAINED})`
  return rows.map(({ kind, tenant_id, detail }) => `incident ${kind} for ${tenant_id ?? 'no tenant'}: ${detail}`)
}

/** Leases that a scheduler's tick has not taken back, and credentials that no poll has reached since. */
export async function stuckJobs(sql: postgres.Sql, polledSince: Date): Promise<string[]> {
  const rows = await sql<{ what: string }[]>`
    select 'job ' || id || ' is leased until ' || lease_until as what from flarewatch.jobs where state = 'leased'
    union all
    select 'credential ' || id || ' was last polled at ' || coalesce(last_success_at::text, 'no time') || ', ' || state
      || coalesce(', ' || reason, '')
    from flarewatch.credentials where state <> 'active' or last_success_at is null or last_success_at < ${polledSince}`
  return rows.map(({ what }) => what)
}
