import postgres from 'postgres'
import type { Witness } from './server-connection.ts'

export type SessionWitness = Witness & {
  /** What was found on sessions that came back, as `role: what`. */
  readonly leftBehind: readonly string[]
}

/** Says of each session that comes back whether it is as new: of what the pool otherwise cleans away, nothing may be there. */
export async function sessionWitness(superuserUrl: string): Promise<SessionWitness> {
  const settings = await settingsOf(superuserUrl)
  const leftBehind: string[] = []
  return {
    statement: witnessStatement(settings),
    onLeftBehind: (role, what) => void leftBehind.push(`${role}: ${what}`),
    leftBehind,
  }
}

/** The settings that functions and policies read or write, by name: Postgres lists none that it does not define itself. */
async function settingsOf(superuserUrl: string): Promise<string[]> {
  const sql = postgres(superuserUrl, { max: 1, onnotice: () => {} })
  try {
    const rows = await sql<{ name: string }[]>`
      with texts (text) as (
        select case when prosqlbody is null then prosrc else pg_get_functiondef(oid) end from pg_proc where prokind = 'f'
        union all select concat(qual, with_check) from pg_policies)
      select distinct lower(found[1]) as name
      from texts, regexp_matches(text, ${SETTING}, 'gi') as found order by 1`
    return rows.map(({ name }) => name)
  } finally {
    await sql.end()
  }
}
const SETTING = String.raw`(?:current_setting|set_config)\(\s*'([a-z_]+\.[a-z_.]+)'`

/** A setting of a transaction that is over is an empty text from then on, which every reader of ours takes for none. */
export function witnessStatement(settings: readonly string[]): string {
  const names = settings.map((name) => `'${name}'`).join(', ')
  return `do $$
declare found text;
begin
  select string_agg(what, ', ' order by what) into found from (
    select 'role ' || current_user as what where current_user <> session_user
    union all select 'setting ' || name from unnest(array[${names}]::text[]) as name
      where coalesce(current_setting(name, true), '') <> ''
    union all select 'setting ' || name from pg_catalog.pg_settings where source = 'session'
    union all select 'prepared statement ' || name from pg_catalog.pg_prepared_statements
    union all select 'cursor ' || name from pg_catalog.pg_cursors where is_holdable
    union all select 'channel ' || channel from pg_catalog.pg_listening_channels() as channel
    union all select 'advisory lock' from pg_catalog.pg_locks where locktype = 'advisory' and pid = pg_catalog.pg_backend_pid()
  ) as state;
  if found is not null then raise exception '%', found; end if;
end $$`
}
