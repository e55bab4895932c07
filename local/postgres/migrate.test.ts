import { appendFileSync, cpSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import postgres from 'postgres'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { checkout } from '../supervisor/checkout.ts'
import { migrate } from './migrate.ts'
import { type EmbeddedPostgres, startPostgres } from './postgres.ts'
import { keptPasswords } from './secrets.ts'

let dir: string
let migrationsDir: string
let running: EmbeddedPostgres

beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'flarewatch-migrate-'))
  migrationsDir = join(dir, 'migrations')
  cpSync(checkout('sql', 'migrations'), migrationsDir, { recursive: true })
  running = await startPostgres({ dir, migrationsDir })
})
afterAll(async () => {
  await running.stop()
  rmSync(dir, { recursive: true, force: true })
})

function again(): Promise<number> {
  const passwords = keptPasswords(join(dir, 'secrets', 'postgres.json'))
  return migrate({ superuserUrl: running.superuserUrl, ownerUrl: running.ownerUrl, passwords, migrationsDir })
}

test('a second run applies nothing', async () => {
  expect(await again()).toBe(0)
})

test('each file is recorded with its digest', async () => {
  const sql = postgres(running.ownerUrl, { max: 1 })
  const rows = await sql`select name, sha256 from migrations.applied order by name`.finally(() => sql.end())
  expect(rows[0]?.name).toBe('0001_schema_and_roles.sql')
  expect(rows.every(({ sha256 }) => /^[0-9a-f]{64}$/.test(sha256))).toBe(true)
})

test('a new file is applied whole or not at all, as a role that is no superuser', async () => {
  const file = join(migrationsDir, '9001_trial.sql')
  writeFileSync(file, 'create table flarewatch.trial (id int); select 1/0;')
  await expect(again()).rejects.toThrow('migration 9001_trial.sql failed: division by zero')
  writeFileSync(
    file,
    "create table flarewatch.trial as select current_user::text as owner, current_setting('is_superuser') as super",
  )
  expect(await again()).toBe(1)
  const sql = postgres(running.superuserUrl, { max: 1 })
  const rows = await sql`select owner, super from flarewatch.trial`.finally(() => sql.end())
  expect(rows.slice()).toEqual([{ owner: 'postgres', super: 'off' }])
})

test('a file that changed after it was applied is refused by name', async () => {
  appendFileSync(join(migrationsDir, '9001_trial.sql'), '\n-- afterthought')
  await expect(again()).rejects.toThrow('migration 9001_trial.sql has changed since it was applied')
})

test('a file that is gone is refused by name', async () => {
  rmSync(join(migrationsDir, '9001_trial.sql'))
  await expect(again()).rejects.toThrow('migration 9001_trial.sql was applied and is gone')
})

test('a file that is not named by the rule is refused', async () => {
  writeFileSync(join(migrationsDir, 'later.sql'), 'select 1')
  await expect(again()).rejects.toThrow('is not named NNNN_area.sql')
})
