import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { connectAs } from './database.ts'

const sql = connectAs('supabase_admin')

/** `table.column` for every column that docs/storage.md describes under a heading that names tables. */
function describedColumns(): string[] {
  const text = readFileSync(new URL('../../docs/storage.md', import.meta.url), 'utf8')
  const postgres = text.split(/^## /m).find((section) => section.startsWith('Postgres, schema `flarewatch`')) ?? ''
  return postgres
    .split(/^### /m)
    .slice(1)
    .flatMap((section) => {
      const tables = backticked(section.split('\n')[0] ?? '')
      const columns = section
        .split('\n')
        .filter((line) => line.startsWith('| `'))
        .flatMap((line) => backticked(line.split('|')[1] ?? ''))
      return tables.flatMap((table) => columns.map((column) => `${table}.${column}`))
    })
}

function backticked(text: string): string[] {
  return [...text.matchAll(/`([a-z0-9_]+)`/g)].map(([, name]) => name ?? '')
}

test('docs/storage.md describes every column that is stored, and none that is not', async () => {
  const rows = await sql<{ name: string }[]>`
    select c.relname || '.' || a.attname as name
    from pg_attribute a join pg_class c on c.oid = a.attrelid join pg_namespace n on n.oid = c.relnamespace
    where n.nspname = 'flarewatch' and c.relkind in ('r', 'p') and not c.relispartition and a.attnum > 0 and not a.attisdropped`
  expect(describedColumns().sort()).toEqual(rows.map(({ name }) => name).sort())
})
