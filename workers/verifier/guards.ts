import { z } from 'zod'
import { guardStateKey } from '../../domain/contracts/receipt-store.ts'
import type { Sql } from '../runtime/database.ts'
import type { Finding } from './finding.ts'

/**
 * What stands between every role and the rows of the log: row-level security, triggers, policies and the functions behind them. A
 * superuser can take them away, act, and put them back. Rows that he changed meanwhile break their chain; this is for the rest.
 */
type Guard = { readonly name: string; readonly isOn: boolean; readonly version: string }

const Guards = z.array(z.object({ name: z.string(), is_on: z.boolean(), version: z.string() }))
/** Name to version. */
const State = z.record(z.string(), z.string())
type State = z.infer<typeof State>

/** Names that an incident has room for; more say no more. */
const MAX_NAMED = 8
const UNREADABLE = 'unreadable'

/** Compares with the run before, and remembers what is there now only once `raise` has been told of what differs. */
export async function checkGuards(
  sql: Sql,
  bucket: R2Bucket,
  raise: (finding: Finding) => Promise<void>,
): Promise<Finding[]> {
  const guards = await readGuards(sql)
  const before = await readState(bucket)
  const findings = [...findOff(guards), ...findChanged(guards, before)]
  for (const finding of findings) await raise(finding)
  const state = Object.fromEntries(guards.map(({ name, version }) => [name, version]))
  if (before === UNREADABLE || findings.length > 0 || !isSame(before, state)) {
    await bucket.put(guardStateKey(), JSON.stringify(state))
  }
  return findings
}

function findOff(guards: readonly Guard[]): Finding[] {
  const off = guards.filter(({ isOn }) => !isOn)
  return off.length === 0
    ? []
    : [
        finding(
          'guards_off',
          off.map(({ name }) => name),
          off,
        ),
      ]
}

/**
 * A row of the catalogue gets a new version (`xmin`) whenever it is altered, also when it is altered back. What is new, as the
 * months to come are, was nowhere before; of a month that was dropped the certificates tell.
 */
function findChanged(guards: readonly Guard[], before: State | null | typeof UNREADABLE): Finding[] {
  if (before === null) return []
  if (before === UNREADABLE) return [finding('guards_changed', [guardStateKey()], [])]
  const now = new Map(guards.map((guard) => [guard.name, guard]))
  const altered = guards.filter(({ name, version }) => before[name] !== undefined && before[name] !== version)
  const gone = Object.keys(before).filter((name) => !now.has(name) && now.has(tableOf(name)))
  return altered.length + gone.length === 0
    ? []
    : [finding('guards_changed', [...altered.map(({ name }) => name), ...gone], altered)]
}

function finding(kind: 'guards_off' | 'guards_changed', names: readonly string[], guards: readonly Guard[]): Finding {
  const versions = guards.map(({ version }) => version)
  const detail = {
    guards: names.slice(0, MAX_NAMED).join(', '),
    count: String(names.length),
    // Another change of the same guards is another incident.
    versions: [...new Set(versions)].slice(0, MAX_NAMED).join(' '),
  }
  return { kind, seq: null, detail }
}

/** `trigger x on y` and `policy x on y` go with their table; a function or a table goes with nothing. */
function tableOf(name: string): string {
  const [, table] = / on (\S+)$/.exec(name) ?? []
  return table === undefined ? 'table audit_log' : `table ${table}`
}

function isSame(before: State | null, now: State): boolean {
  const names = Object.keys(now)
  return (
    before !== null && Object.keys(before).length === names.length && names.every((name) => before[name] === now[name])
  )
}

async function readState(bucket: R2Bucket): Promise<State | null | typeof UNREADABLE> {
  const stored = await bucket.get(guardStateKey())
  if (stored === null) return null
  const parsed = State.safeParse(await stored.json().catch(() => null))
  return parsed.success ? parsed.data : UNREADABLE
}

/** A trigger that is not there at all is off: the tables are asked for each that they must have. */
async function readGuards(sql: Sql): Promise<Guard[]> {
  const rows = await sql`
    with guarded as (
      select class.oid, class.relname, class.xmin, class.relrowsecurity and class.relforcerowsecurity as is_closed,
        case
          when class.relname = 'audit_log' or class.relispartition then array['extend_chain', 'refuse_change']
          when class.relname = 'epoch_certificates' then array['refuse_change']
          else array[]::text[]
        end as triggers
      from pg_catalog.pg_class class left join pg_catalog.pg_inherits parent on parent.inhrelid = class.oid
      where class.oid in (
          'flarewatch.audit_log'::regclass, 'flarewatch.audit_heads'::regclass, 'flarewatch.epoch_certificates'::regclass,
          'flarewatch.receipts'::regclass, 'flarewatch.incidents'::regclass)
        or parent.inhparent = 'flarewatch.audit_log'::regclass
    )
    select 'table ' || relname as name, is_closed as is_on, xmin::text as version from guarded
    union all
    select 'trigger ' || needed.tgname || ' on ' || relname, coalesce(tgenabled = 'A', false), coalesce(stored.xmin::text, '')
    from guarded join (values ('extend_chain', true), ('refuse_change', true), ('mail_incident', false)) needed (tgname, of_log)
        on case when of_log then is_log else relname = 'incidents' end
      left join pg_catalog.pg_trigger stored on stored.tgrelid = guarded.oid and stored.tgname = needed.tgname
    union all
    select 'policy ' || polname || ' on ' || relname, true, stored.xmin::text
    from guarded join pg_catalog.pg_policy stored on stored.polrelid = guarded.oid
    union all
    select 'function ' || stored.oid::regprocedure, true, stored.xmin::text
    from pg_catalog.pg_proc stored where stored.pronamespace = 'flarewatch'::regnamespace
    order by 1`
  return Guards.parse(rows).map(({ name, is_on, version }) => ({ name, isOn: is_on, version }))
}
