import postgres from 'postgres'
import type { Tx } from './log-rows.ts'

/** Copies of rows, kept in temporary tables: nothing of them is left when the session ends, however it ends. */
export type Saved = { readonly name: string; readonly tables: readonly string[]; readonly tenantIds: readonly string[] }

/** Tables whose rows are a chain, or vouch for one. */
export const CHAIN_TABLES = ['audit_log', 'audit_heads', 'receipts', 'epoch_certificates'] as const

/** A Postgres superuser: bound by no policy, and past every trigger once he has switched it off. */
export class Superuser {
  readonly sql: postgres.Sql
  #saves = 0

  constructor(url: string) {
    this.sql = postgres(url, { max: 1, onnotice: () => {}, connection: { application_name: 'gauntlet' } })
  }

  /** One transaction in which no trigger, foreign key or policy has a say. Outside it nobody sees them off. */
  async unguarded<Value>(act: (tx: Tx) => Promise<Value>): Promise<Value> {
    const { value } = await this.sql.begin(async (tx) => {
      await tx`set local session_replication_role = replica`
      // Such as are ALWAYS on fire in a replica's session too.
      const triggers = await tx<{ relation: number; name: string }[]>`
        select tgrelid::int8::float8 as relation, tgname as name from pg_trigger join pg_class class on class.oid = tgrelid
        where relnamespace = 'flarewatch'::regnamespace and tgenabled = 'A' and tgparentid = 0 and not relispartition`
      const alter = async (how: string) => {
        for (const { relation, name } of triggers) {
          await tx.unsafe(
            `do $$ begin execute format('alter table %s ${how} trigger %I', ${relation}::oid::regclass, '${name}'); end $$`,
          )
        }
      }
      await alter('disable')
      const result = { value: await act(tx) }
      await alter('enable always')
      return result
    })
    return value
  }

  /** Whether rows can be changed now: nobody who was stopped in the middle holds them. */
  async isFree(): Promise<boolean> {
    try {
      await this.sql.begin((tx) => tx`lock table flarewatch.audit_log in access exclusive mode nowait`)
      return true
    } catch {
      return false
    }
  }

  /** Every table that has rows of a tenant, the tenants' own included. */
  async tenantTables(): Promise<string[]> {
    const rows = await this.sql<{ name: string }[]>`
      select class.relname as name from pg_class class join pg_attribute attribute on attribute.attrelid = class.oid
      where class.relnamespace = 'flarewatch'::regnamespace and class.relkind in ('r', 'p') and not class.relispartition
        and (attname in ('tenant_id', 'log') or (attname = 'id' and relname = 'tenants')) and class.relname <> 'incidents'
      order by 1`
    return rows.map(({ name }) => name)
  }

  async save(tables: readonly string[], tenantIds: readonly string[]): Promise<Saved> {
    this.#saves += 1
    const name = `saved_${this.#saves}`
    for (const table of tables) {
      await this.sql`
        create temporary table ${this.sql(`${name}_${table}`)} as
        select * from flarewatch.${this.sql(table)} where ${this.sql(tenantColumn(table))} in ${this.sql(tenantIds)}`
    }
    return { name, tables, tenantIds }
  }

  /** Puts the saved rows back exactly, in place of whatever is there now. */
  async restore(saved: Saved): Promise<void> {
    await this.unguarded((tx) => putBack(tx, saved))
  }

  async forget({ name, tables }: Saved): Promise<void> {
    for (const table of tables) await this.sql`drop table ${this.sql(`${name}_${table}`)}`
  }

  async end(): Promise<void> {
    await this.sql.end({ timeout: 1 })
  }
}

export async function putBack(tx: Tx, { name, tables, tenantIds }: Saved): Promise<void> {
  await deleteTenants(tx, tables, tenantIds)
  for (const table of tables) {
    await tx`insert into flarewatch.${tx(table)} select * from ${tx(`${name}_${table}`)}
      where ${tx(tenantColumn(table))} in ${tx(tenantIds)}`
  }
}

export async function deleteTenants(tx: Tx, tables: readonly string[], tenantIds: readonly string[]): Promise<void> {
  for (const table of tables) {
    await tx`delete from flarewatch.${tx(table)} where ${tx(tenantColumn(table))} in ${tx(tenantIds)}`
  }
}

/** The verifier's own tables name a log, which is a tenant's id by another word. */
const OF_LOGS: ReadonlySet<string> = new Set(['receipts', 'epoch_certificates', 'shreddings', 'verification_runs'])

function tenantColumn(table: string): string {
  if (table === 'tenants') return 'id'
  return OF_LOGS.has(table) ? 'log' : 'tenant_id'
}
