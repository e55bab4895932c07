import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync, type StatementSync } from 'node:sqlite'
import type { LedgerSql, LedgerStorage } from '../ledger/platform.ts'
import type { Random } from './random.ts'
import type { Timeline } from './timeline.ts'

/** What becomes of a storage operation that the power went away before, during or after. */
export class PowerCut extends Error {}

/** A disk is mostly fast. */
const LONGEST_SYNC_MS = [20, 20, 400] as const
const ALARM_TABLE = 'CREATE TABLE IF NOT EXISTS simulated_alarm (one INTEGER PRIMARY KEY CHECK (one = 1), at INTEGER)'

type Image = { readonly main: Uint8Array; readonly log: Uint8Array }

/** The files of one Durable Object. They outlive every storage that is mounted on them. */
export class Disk {
  readonly #folder: string
  #generation = 0

  constructor(folder: string) {
    this.#folder = folder
    mkdirSync(folder, { recursive: true })
  }

  get path(): string {
    return join(this.#folder, `${this.#generation}.sqlite`)
  }

  /** Leaves the files as a power cut finds them: the log ends anywhere behind what was synced. */
  cut(synced: number, random: Random): void {
    const length = logLength(this.path)
    const kept = random.between(Math.min(synced, length), length)
    this.#moveOn((to) => {
      copyFileSync(this.path, to)
      if (existsSync(logOf(this.path))) copyFileSync(logOf(this.path), logOf(to))
      if (length > 0) truncateSync(logOf(to), kept)
    })
  }

  backup(synced: number): Image {
    const log = existsSync(logOf(this.path)) ? readFileSync(logOf(this.path)).subarray(0, synced) : new Uint8Array()
    return { main: readFileSync(this.path), log: Uint8Array.from(log) }
  }

  restore({ main, log }: Image): void {
    this.#moveOn((to) => {
      writeFileSync(to, main)
      writeFileSync(logOf(to), log)
    })
  }

  remove(): void {
    rmSync(this.#folder, { recursive: true, force: true })
  }

  /** A new name for each life: the connection of the last one may still be open on the old files. */
  #moveOn(write: (to: string) => void): void {
    const from = this.path
    const to = join(this.#folder, `${this.#generation + 1}.sqlite`)
    write(to)
    this.#generation += 1
    for (const file of [from, logOf(from), `${from}-shm`]) rmSync(file, { force: true })
  }
}

export type DiskImage = Image

type StorageOptions = {
  readonly disk: Disk
  readonly timeline: Timeline
  readonly random: Random
  /** Called around every operation; throws when the power goes away there. */
  readonly tick: () => void
}

/**
 * Storage of a Durable Object on real SQLite, as Cloudflare documents it: writes without an `await` between them are one
 * atomic unit, an alarm is part of it, and nothing is sure to survive before `sync` has resolved. Output gates are left
 * out: the ledger has to wait for itself.
 */
export class CrashingStorage implements LedgerStorage {
  readonly sql: LedgerSql
  readonly #database: DatabaseSync
  readonly #statements = new Map<string, StatementSync>()
  readonly #options: StorageOptions
  #writing = false
  #synced: number

  constructor(options: StorageOptions) {
    this.#options = options
    const database = new DatabaseSync(options.disk.path)
    // A checkpoint would move what was written out of the log, where a cut can reach it.
    database.exec('PRAGMA journal_mode = WAL; PRAGMA wal_autocheckpoint = 0; PRAGMA synchronous = OFF')
    database.exec('PRAGMA wal_checkpoint(TRUNCATE)')
    database.exec(ALARM_TABLE)
    this.#database = database
    this.#synced = logLength(options.disk.path)
    this.sql = { exec: (query, ...bindings) => this.#exec(query, bindings) }
  }

  get synced(): number {
    return this.#synced
  }

  get alarmAt(): number | null {
    const row = this.#database.prepare('SELECT at FROM simulated_alarm').get()
    return typeof row?.at === 'number' ? row.at : null
  }

  readonly transactionSync = <Value>(work: () => Value): Value => {
    this.#options.tick()
    this.#begin()
    this.#database.exec('SAVEPOINT work')
    try {
      const value = work()
      this.#options.tick()
      this.#database.exec('RELEASE work')
      return value
    } catch (error) {
      this.#database.exec('ROLLBACK TO work; RELEASE work')
      throw error
    }
  }

  readonly sync = async (): Promise<void> => {
    const { random, timeline } = this.#options
    this.#options.tick()
    this.commit()
    const target = logLength(this.#options.disk.path)
    await timeline.passed(random.between(0, random.pick(LONGEST_SYNC_MS)))
    this.#options.tick()
    this.#synced = Math.max(this.#synced, target)
  }

  readonly setAlarm = (at: number): Promise<void> => {
    this.#exec('INSERT OR REPLACE INTO simulated_alarm (one, at) VALUES (1, ?)', [at])
    return this.sync()
  }

  /** An alarm that was handled, unless it was set anew meanwhile. */
  clearAlarm(at: number): void {
    this.#exec('DELETE FROM simulated_alarm WHERE at = ?', [at])
  }

  /** Ends the unit that was begun by the first write. */
  commit(): void {
    if (!this.#writing) return
    this.#options.tick()
    this.#writing = false
    this.#database.exec('COMMIT')
  }

  close(): void {
    this.#database.close()
  }

  #begin(): void {
    if (this.#writing) return
    this.#writing = true
    this.#database.exec('BEGIN')
    // The unit ends at the next `await` or at the end of the turn: both are allowed.
    if (this.#options.random.chance(0.5)) queueMicrotask(() => ignoringCut(() => this.commit()))
  }

  #exec<Columns extends Record<string, SqlStorageValue>>(query: string, bindings: (SqlStorageValue | Uint8Array)[]) {
    this.#options.tick()
    if (!query.startsWith('SELECT')) this.#begin()
    const statement = this.#statements.get(query) ?? this.#database.prepare(query)
    this.#statements.set(query, statement)
    // Columns are told by the caller, as `SqlStorage.exec` has it too.
    const rows = statement.all(...bindings.map(toSqlite)).map(fromSqlite) as Columns[]
    return {
      toArray: () => rows,
      one: () => {
        const [row] = rows
        if (row === undefined || rows.length > 1) throw new Error('expected exactly one row')
        return row
      },
    }
  }
}

export function ignoringCut(work: () => void): void {
  try {
    work()
  } catch (error) {
    if (!(error instanceof PowerCut)) throw error
  }
}

function logOf(path: string): string {
  return `${path}-wal`
}

function logLength(path: string): number {
  return existsSync(logOf(path)) ? statSync(logOf(path)).size : 0
}

function toSqlite(value: SqlStorageValue | Uint8Array) {
  return value instanceof ArrayBuffer ? new Uint8Array(value) : value
}

/** A Durable Object hands a blob out as an ArrayBuffer. */
function fromSqlite(row: Record<string, unknown>): Record<string, unknown> {
  const values = Object.entries(row).map(([name, value]) => [
    name,
    value instanceof Uint8Array ? Uint8Array.from(value).buffer : value,
  ])
  return Object.fromEntries(values)
}
