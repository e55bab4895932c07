import { randomUUID } from 'node:crypto'
import postgres, { type Row, type Sql, type TransactionSql } from 'postgres'
import type { RunFile } from '../run-file.ts'
import { ACROSS_TENANTS, EXECUTES } from './across-tenants.ts'
import type { Cell } from './document.ts'

/** Which tenant a role's session is bound to when it tries. */
const BINDINGS = ['own', 'other', 'none'] as const
type Binding = (typeof BINDINGS)[number]
const VERBS = ['select', 'insert', 'update', 'delete'] as const
type Verb = (typeof VERBS)[number]

export type TwoTenants = {
  readonly own: { readonly tenantId: string; readonly userId: string }
  readonly other: { readonly tenantId: string }
}
type Relation = { readonly oid: number; readonly name: string; readonly tenant_column: string | null }

const NOTHING = 'nothing of others'
const DENIED = new Set(['42501', '42P01'])

/** T4 in SQL: every table and view x role x verb x binding, and every function x role, each try undone. */
export async function playSql(run: RunFile, tenants: TwoTenants): Promise<Cell[]> {
  const sql = postgres(run.postgres_superuser_url, { max: 1, onnotice: () => {} })
  try {
    const relations = await relationsOf(sql)
    const roles = await rolesOf(sql)
    const cells: Cell[] = []
    for (const role of roles) {
      for (const relation of relations) {
        for (const verb of VERBS) {
          for (const binding of BINDINGS) cells.push(await tryOne(sql, { role, relation, verb, binding, tenants }))
        }
      }
      cells.push(...(await executes(sql, role)))
    }
    return cells
  } finally {
    await sql.end()
  }
}

/** All that a client of this database can log in as or become, but the superuser and the owner of the migrations. */
async function rolesOf(sql: Sql): Promise<string[]> {
  const roles = await sql<{ name: string }[]>`
    select rolname as name from pg_roles
    where rolname in ('anon', 'authenticated', 'authenticator', 'service_role') or rolname like 'flarewatch%' order by 1`
  return roles.map(({ name }) => name)
}

async function relationsOf(sql: Sql): Promise<Relation[]> {
  return sql<Relation[]>`
    select c.oid::int, format('%I.%I', n.nspname, c.relname) as name,
      (select a.attname from pg_attribute a where a.attrelid = c.oid and not a.attisdropped
        and (a.attname = 'tenant_id' or (c.relname = 'tenants' and a.attname = 'id') or (c.relname = 'receipts' and a.attname = 'log'))
      ) as tenant_column
    from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where n.nspname in ('flarewatch', 'privileged', 'warehouse') and c.relkind in ('r', 'p', 'v', 'm') order by 1`
}

type Try = {
  readonly role: string
  readonly relation: Relation
  readonly verb: Verb
  readonly binding: Binding
  readonly tenants: TwoTenants
}

async function tryOne(sql: Sql, tried: Try): Promise<Cell> {
  const { role, relation, verb, binding } = tried
  const table = relation.name.replace(/_\d{6}$/, '_YYYYMM')
  const may = ACROSS_TENANTS[role]?.[verb]?.includes(table) ?? false
  const actual = await reached(sql, tried)
  return {
    what: `${verb} ${relation.name}, bound to ${binding}`,
    who: role,
    // What a role is there for may find nothing to do just now.
    expected: may && actual !== NOTHING ? `rows of others in ${table}` : NOTHING,
    actual: actual === NOTHING ? NOTHING : `rows of others in ${table}`,
  }
}

/** Rolled back, whatever came of it. */
async function reached(sql: Sql, { role, relation, verb, binding, tenants }: Try): Promise<string> {
  let found = NOTHING
  const undo = new Error('undone')
  await sql
    .begin(async (tx) => {
      // Bound to none, not even one's own rows are to be seen.
      const ownTenants = binding === 'none' ? [] : await tenantsOf(tx, tenants.own.userId)
      await bind(tx, binding, tenants)
      await tx`select set_config('role', ${role}, true)`
      const touched = verb === 'select' ? await see(tx, relation, ownTenants) : await change(tx, relation, verb)
      if (touched > 0) found = `${touched} rows`
      throw undo
    })
    .catch((error: unknown) => {
      if (error !== undo) throw error
    })
  return found
}

async function tenantsOf(tx: TransactionSql, userId: string): Promise<string[]> {
  const rows = await tx<{ tenant_id: string }[]>`select tenant_id from flarewatch.members where user_id = ${userId}`
  return rows.map(({ tenant_id }) => tenant_id)
}

/** The claims of one agency's owner at AAL2, in a session that has just begun, for their own tenant or, as a lie, for the other; or none. */
async function bind(tx: TransactionSql, binding: Binding, { own, other }: TwoTenants): Promise<void> {
  if (binding === 'none') return
  const [session_id, at] = [randomUUID(), new Date()]
  await tx`insert into auth.sessions (id, user_id, created_at) values (${session_id}, ${own.userId}, ${at})`
  const tenant_id = binding === 'own' ? own.tenantId : other.tenantId
  const claims = { sub: own.userId, tenant_id, aal: 'aal2', session_id, at }
  await tx`select set_config('flarewatch.claims', ${JSON.stringify(claims)}, true)`
}

/** How many rows of others are seen; of a table that belongs to no tenant, or whose tenant may not be asked for, how many at all. */
async function see(
  tx: TransactionSql,
  { name, tenant_column }: Relation,
  ownTenants: readonly string[],
): Promise<number> {
  const all = await attempt(tx, async (inner) => countIn(await inner.unsafe(`select count(*)::int as n from ${name}`)))
  if (all === 0 || tenant_column === null) return all
  const others = `select count(*)::int as n from ${name} where "${tenant_column}" <> all ($1::uuid[])`
  return attempt(tx, async (inner) => countIn(await inner.unsafe(others, [[...ownTenants]])))
}

function countIn([row]: readonly Row[]): number {
  return Number(row?.n)
}

/** How many rows the statement changed; none when it was refused. */
async function change(tx: TransactionSql, { oid, name }: Relation, verb: Verb): Promise<number> {
  const [right] = await tx<{ columns: string[] }[]>`
    select coalesce(array_agg(format('%I', a.attname)), '{}') as columns from pg_attribute a
    where a.attrelid = ${oid} and a.attnum > 0 and not a.attisdropped and a.attgenerated = ''
      and ${verb === 'delete' ? tx`has_table_privilege(a.attrelid, 'DELETE')` : tx`has_column_privilege(a.attrelid, a.attnum, ${verb})`}`
  const columns = right?.columns ?? []
  if (columns.length === 0) return 0
  // To be let write at all is what counts of an insert: rows of two tenants are not to be told apart before they are there.
  if (verb === 'insert') return columns.length
  const [first] = columns
  const statement = verb === 'delete' ? `delete from ${name}` : `update ${name} set ${first} = ${first}`
  return attempt(tx, async (inner) => (await inner.unsafe(statement)).count)
}

async function attempt(tx: TransactionSql, act: (inner: TransactionSql) => Promise<number>): Promise<number> {
  try {
    return await tx.savepoint(act)
  } catch (error) {
    const code = error instanceof postgres.PostgresError ? error.code : ''
    // Refused by a right, or by what guards the table: nothing was seen and nothing changed.
    if (DENIED.has(code) || code.startsWith('FW')) return 0
    throw error
  }
}

/** Functions are the doors of SQL: `privileged` is the service role's alone, and nobody from outside calls any other. */
async function executes(sql: Sql, role: string): Promise<Cell[]> {
  const functions = await sql<{ name: string; may: boolean }[]>`
    select n.nspname || '.' || p.proname as name, has_function_privilege(${role}, p.oid, 'EXECUTE') as may
    from pg_proc p join pg_namespace n on n.oid = p.pronamespace
    where n.nspname in ('flarewatch', 'privileged', 'warehouse') and has_schema_privilege(${role}, n.oid, 'USAGE') order by 1`
  return functions.map(({ name, may }) => ({
    what: `execute ${name}`,
    who: role,
    expected:
      EXECUTES[role]?.includes(name) || (role === 'service_role' && name.startsWith('privileged.')) ? 'may' : 'may not',
    actual: may ? 'may' : 'may not',
  }))
}
