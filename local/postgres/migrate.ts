import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import postgres from 'postgres'
import { checkout } from '../supervisor/checkout.ts'
import { WORKER_ROLES } from './roles.ts'
import type { PostgresPasswords } from './secrets.ts'

/**
 * Two ladders of SQL files. The bootstrap makes, as the superuser, what hosted Supabase brings along; the migrations are ours
 * and run as `postgres`, which is no superuser. A file that was applied is never applied again, and never changed.
 */
export type MigrationOptions = {
  readonly superuserUrl: string
  readonly ownerUrl: string
  readonly passwords: PostgresPasswords
  readonly migrationsDir?: string
}

type SqlFile = { readonly name: string; readonly text: string; readonly sha256: string }
type Ladder = { readonly schema: 'embedded_bootstrap' | 'migrations'; readonly folder: string }

/** Two stacks never share a server, but two commands may race to migrate one. Any fixed number serves as the lock's name. */
const MIGRATION_LOCK = 4_201_127
const FILE_NAME = /^\d{4}_[a-z0-9_]+\.sql$/

/** Brings a database up to date; returns how many files that took. */
export async function migrate(options: MigrationOptions): Promise<number> {
  const bootstrap = { schema: 'embedded_bootstrap', folder: join(import.meta.dirname, 'bootstrap') } as const
  const migrations = { schema: 'migrations', folder: options.migrationsDir ?? checkout('sql', 'migrations') } as const
  const superuser = connect(options.superuserUrl)
  try {
    const bootstrapped = await climb(superuser, bootstrap)
    await setPasswords(superuser, ['postgres', 'authenticator', 'supabase_auth_admin'], options.passwords)
    const owner = connect(options.ownerUrl)
    const migrated = await climb(owner, migrations).finally(() => owner.end())
    await setPasswords(superuser, WORKER_ROLES, options.passwords)
    return bootstrapped + migrated
  } finally {
    await superuser.end()
  }
}

function connect(url: string): postgres.Sql {
  return postgres(url, { max: 1, fetch_types: false, onnotice: () => {} })
}

async function climb(sql: postgres.Sql, ladder: Ladder): Promise<number> {
  await sql`select pg_advisory_lock(${MIGRATION_LOCK})`
  try {
    const applied = await readApplied(sql, ladder)
    const files = sqlFiles(ladder.folder)
    refuseChanged(files, applied)
    const pending = files.filter((file) => !applied.has(file.name))
    for (const file of pending) await apply(sql, ladder, file)
    return pending.length
  } finally {
    await sql`select pg_advisory_unlock(${MIGRATION_LOCK})`
  }
}

async function readApplied(sql: postgres.Sql, { schema }: Ladder): Promise<Map<string, string>> {
  const [known] = await sql`select to_regclass(${`${schema}.applied`}) is not null as exists`
  if (known?.exists !== true) {
    await sql.begin((tx) => [
      tx`create schema ${tx(schema)}`,
      tx`create table ${tx(schema)}.applied (name text primary key, sha256 text not null, applied_at timestamptz not null default now())`,
    ])
  }
  const rows = await sql<{ name: string; sha256: string }[]>`select name, sha256 from ${sql(schema)}.applied`
  return new Map(rows.map(({ name, sha256 }) => [name, sha256]))
}

function sqlFiles(folder: string): SqlFile[] {
  const names = readdirSync(folder).filter((name) => name.endsWith('.sql'))
  return names.sort().map((name) => {
    if (!FILE_NAME.test(name)) throw new Error(`${join(folder, name)} is not named NNNN_area.sql`)
    const text = readFileSync(join(folder, name), 'utf8')
    return { name, text, sha256: createHash('sha256').update(text).digest('hex') }
  })
}

function refuseChanged(files: readonly SqlFile[], applied: ReadonlyMap<string, string>): void {
  const inCheckout = new Map(files.map(({ name, sha256 }) => [name, sha256]))
  for (const [name, sha256] of applied) {
    if (inCheckout.get(name) === sha256) continue
    const fault = inCheckout.has(name)
      ? 'has changed since it was applied'
      : 'was applied and is gone from this checkout'
    throw new Error(`migration ${name} ${fault}: use a fresh data directory, or the checkout that made this one`)
  }
}

async function apply(sql: postgres.Sql, { schema }: Ladder, file: SqlFile): Promise<void> {
  try {
    await sql.begin(async (tx) => {
      await tx.unsafe(file.text)
      await tx`insert into ${tx(schema)}.applied (name, sha256) values (${file.name}, ${file.sha256})`
    })
  } catch (error) {
    throw new Error(`migration ${file.name} failed: ${error instanceof Error ? error.message : String(error)}`, {
      cause: error,
    })
  }
}

async function setPasswords(
  sql: postgres.Sql,
  roles: readonly (keyof PostgresPasswords)[],
  passwords: PostgresPasswords,
): Promise<void> {
  const existing = await sql<{ rolname: string }[]>`select rolname from pg_roles where rolname in ${sql(roles)}`
  for (const { rolname } of existing) {
    const role = roles.find((name) => name === rolname)
    // ALTER ROLE takes no parameters; the passwords are base64url and ours, so that quoting cannot be broken.
    if (role !== undefined) await sql.unsafe(`alter role ${rolname} with login password '${passwords[role]}'`)
  }
}
