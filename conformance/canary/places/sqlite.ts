import { closeSync, copyFileSync, existsSync, mkdtempSync, openSync, readSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'

const MAGIC = 'SQLite format 3\0'
const TRIES = 3
const ROWS_A_CHUNK = 256

export function isSqlite(path: string): boolean {
  if (!existsSync(path)) return false
  const file = openSync(path, 'r')
  try {
    const head = Buffer.alloc(MAGIC.length)
    readSync(file, head, 0, head.length, 0)
    return head.toString('latin1') === MAGIC
  } finally {
    closeSync(file)
  }
}

export type SqliteRow = { readonly table: string; readonly row: Readonly<Record<string, unknown>> }

/** All values of all rows of all tables, as one stream of bytes. */
export function* sqliteRows(path: string): Generator<Uint8Array> {
  let values: Buffer[] = []
  for (const { row } of sqliteRecords(path)) {
    values.push(...Object.values(row).flatMap(bytesOf))
    if (values.length < ROWS_A_CHUNK) continue
    yield Buffer.concat(values)
    values = []
  }
  yield Buffer.concat(values)
}

/** All rows of all tables, of a copy that is taken with its write-ahead log. */
export function* sqliteRecords(path: string): Generator<SqliteRow> {
  const folder = mkdtempSync(join(tmpdir(), 'canary-'))
  try {
    const database = openCopy(path, folder)
    try {
      yield* rowsOf(database)
    } finally {
      database.close()
    }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** The object may write while its files are copied: a copy that does not hold together is taken again. */
function openCopy(path: string, folder: string): DatabaseSync {
  for (let tries = 1; ; tries += 1) {
    const copied = copySqlite(path, join(folder, `${tries}.sqlite`))
    const database = new DatabaseSync(copied)
    try {
      if (database.prepare('pragma quick_check(1)').get()?.quick_check === 'ok') return database
    } catch (error) {
      if (tries === TRIES) throw error
    }
    database.close()
    if (tries === TRIES) throw new Error(`${path} could not be copied whole`)
  }
}

export function copySqlite(path: string, target: string): string {
  for (const suffix of ['', '-wal']) {
    if (existsSync(path + suffix)) copyFileSync(path + suffix, target + suffix)
  }
  return target
}

function* rowsOf(database: DatabaseSync): Generator<SqliteRow> {
  const tables = database.prepare("select name from sqlite_master where type = 'table'").all()
  for (const { name } of tables) {
    const table = String(name)
    const statement = database.prepare(`select * from "${table.replaceAll('"', '""')}"`)
    statement.setReadBigInts(true)
    for (const row of statement.iterate()) yield { table, row }
  }
}

/** A blank after each value keeps neighbours from looking like one. */
function bytesOf(value: unknown): Buffer[] {
  if (typeof value === 'string') return [Buffer.from(`${value}\n`, 'utf8')]
  if (value instanceof Uint8Array) return [Buffer.from(value), Buffer.from('\n')]
  return []
}
