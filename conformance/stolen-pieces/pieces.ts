import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type postgres from 'postgres'
import { sqliteRecords } from '../canary/places/sqlite.ts'

/** A table or an object's table as it was found: every column of every row. */
export type Found = { readonly table: string; readonly row: Readonly<Record<string, unknown>> }
/** What a thief has. A piece that he has not is empty. */
export type Pieces = {
  readonly keks: readonly { readonly version: number; readonly bytes: Uint8Array }[]
  readonly dump: readonly Found[]
  readonly objects: readonly Found[]
}

export const NOTHING: Pieces = { keks: [], dump: [], objects: [] }

/** The KEK, from where it is kept: the embedded stack's stand-in for Cloudflare's secrets. */
export function stealKeks(dir: string): Pieces['keks'] {
  const folder = join(dir, 'secrets')
  return readdirSync(folder)
    .filter((name) => /^kek\.v\d+$/.test(name))
    .map((name) => {
      const [text = ''] = /[A-Za-z0-9_-]{43}/.exec(readFileSync(join(folder, name), 'utf8')) ?? []
      return { version: Number(name.slice('kek.v'.length)), bytes: new Uint8Array(Buffer.from(text, 'base64url')) }
    })
}

/** A dump of every table of every schema but the catalogue's. */
export async function stealDump(sql: postgres.Sql): Promise<Found[]> {
  const tables = await sql<{ schema: string; name: string }[]>`
    select nspname as schema, relname as name from pg_class join pg_namespace on pg_namespace.oid = relnamespace
    where relkind in ('r', 'm') and not relispartition and nspname !~ '^(pg_|information_schema)'
    union all select 'flarewatch', relname from pg_class where relnamespace = 'flarewatch'::regnamespace and relkind = 'p'`
  const found: Found[] = []
  for (const { schema, name } of tables) {
    const rows = await sql`select * from ${sql(schema)}.${sql(name)}`
    for (const row of rows) found.push({ table: name, row })
  }
  return found
}

/** The files of every Durable Object. In a ledger's, all rows are those of the tenant that it names once. */
export function stealObjects(dir: string): Found[] {
  const folder = join(dir, 'workers', 'do')
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.sqlite'))
    .flatMap((name) => {
      const records = [...sqliteRecords(join(folder, name))]
      const owner = records.find(({ table }) => table === 'ledger')?.row.tenant_id
      return records.map(({ table, row }) => ({ table, row: { tenant_id: owner, ...row } }))
    })
}
