import { createHash, randomBytes } from 'node:crypto'
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync, type SQLInputValue } from 'node:sqlite'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Found, isRunning, processesOf } from '../kill-matrix/processes.ts'
import type { RunFile } from '../run-file.ts'

/** One object's SQLite as it lies on the disk: the database and its write-ahead log. */
export type SavedFiles = ReadonlyMap<(typeof SUFFIXES)[number], Buffer | null>
export type Place = { readonly dir: string; readonly run: RunFile }
type StoredRecord = Record<string, SQLInputValue>
/** What the bucket holds of one log, under every name that has its id: index rows, and the contents that they name. */
export type SavedBucket = { readonly objects: readonly StoredRecord[]; readonly blobs: ReadonlyMap<string, Buffer> }

const SUFFIXES = ['', '-wal'] as const
const BACK_DEADLINE_MS = 60_000
const LOOK_EVERY_MS = 20

/** What lies on the disk of the Workers' side, for as long as nobody writes there. */
export class Storage {
  readonly #dir: string

  constructor(dir: string) {
    this.#dir = join(dir, 'workers')
  }

  ledgerFile(tenantId: string): string {
    const found = this.#objects('flarewatch-durable-objects-AuditLedger').find((path) =>
      withDatabase(
        path,
        (database) => database.prepare('select 1 from ledger where tenant_id = ?').get(tenantId) !== undefined,
      ),
    )
    if (found === undefined) throw new Error(`no ledger of ${tenantId} is on the disk`)
    return found
  }

  saveFiles(path: string): SavedFiles {
    return new Map(SUFFIXES.map((suffix) => [suffix, existsSync(path + suffix) ? readFileSync(path + suffix) : null]))
  }

  restoreFiles(path: string, saved: SavedFiles): void {
    for (const [suffix, bytes] of saved) {
      if (bytes === null) rmSync(path + suffix, { force: true })
      else writeFileSync(path + suffix, bytes)
    }
    // The index of the log that was there belongs to nothing any more.
    rmSync(`${path}-shm`, { force: true })
  }

  edit<Value>(path: string, act: (database: DatabaseSync) => Value): Value {
    return withDatabase(path, act)
  }

  saveRosterEntry(tenantId: string): StoredRecord {
    const entry = withDatabase(this.#rosterFile(), (database) =>
      database.prepare('select * from roster where tenant_id = ?').get(tenantId),
    )
    if (entry === undefined) throw new Error(`the roster does not name ${tenantId}`)
    return entry as StoredRecord
  }

  removeRosterEntry(tenantId: string): void {
    withDatabase(this.#rosterFile(), (database) =>
      database.prepare('delete from roster where tenant_id = ?').run(tenantId),
    )
  }

  restoreRosterEntry(entry: StoredRecord): void {
    withDatabase(this.#rosterFile(), (database) => {
      database.prepare('delete from roster where position = ?').run(entry.position ?? null)
      insert(database, 'roster', entry)
    })
  }

  saveBucket(log: string): SavedBucket {
    return withDatabase(this.#bucketIndex(), (database) => {
      const objects = database.prepare('select * from _mf_objects where key like ?').all(`%${log}%`) as StoredRecord[]
      const blobs = new Map(objects.map(({ blob_id }) => [String(blob_id), readFileSync(this.#blob(String(blob_id)))]))
      return { objects, blobs }
    })
  }

  restoreBucket(log: string, { objects, blobs }: SavedBucket): void {
    withDatabase(this.#bucketIndex(), (database) => {
      this.#emptyBucket(database, log)
      for (const object of objects) insert(database, '_mf_objects', object)
    })
    for (const [id, bytes] of blobs) writeFileSync(this.#blob(id), bytes)
  }

  emptyBucket(log: string): void {
    withDatabase(this.#bucketIndex(), (database) => this.#emptyBucket(database, log))
  }

  /** Overwrites one object with other contents, as whoever holds the account can. */
  overwrite(key: string, text: string): void {
    const bytes = Buffer.from(text)
    const blobId = randomBytes(40).toString('hex')
    writeFileSync(this.#blob(blobId), bytes)
    const etag = createHash('md5').update(bytes).digest('hex')
    withDatabase(this.#bucketIndex(), (database) => {
      const { changes } = database
        .prepare('update _mf_objects set blob_id = ?, size = ?, etag = ? where key = ?')
        .run(blobId, bytes.length, etag, key)
      if (changes !== 1) throw new Error(`the bucket has no ${key}`)
    })
  }

  /** An object of the bucket, as text. */
  contents(key: string): string {
    const object = withDatabase(this.#bucketIndex(), (database) =>
      database.prepare('select blob_id from _mf_objects where key = ?').get(key),
    )
    if (object === undefined) throw new Error(`the bucket has no ${key}`)
    return readFileSync(this.#blob(String(object.blob_id)), 'utf8')
  }

  #emptyBucket(database: DatabaseSync, log: string): void {
    database.prepare('delete from _mf_objects where key like ?').run(`%${log}%`)
  }

  #rosterFile(): string {
    const [path, other] = this.#objects('flarewatch-durable-objects-TenantRoster')
    if (path === undefined || other !== undefined) throw new Error('there is not exactly one roster on the disk')
    return path
  }

  #bucketIndex(): string {
    const found = this.#sqlite('r2/miniflare-R2BucketObject').find((path) =>
      withDatabase(
        path,
        (database) =>
          database.prepare("select 1 from _mf_objects where key like 'receipts/%' limit 1").get() !== undefined,
      ),
    )
    if (found === undefined) throw new Error('no bucket on the disk holds receipts')
    return found
  }

  #blob(id: string): string {
    return join(this.#dir, 'r2/flarewatch-receipts/blobs', id)
  }

  #objects(folder: string): string[] {
    return this.#sqlite(join('do', folder))
  }

  #sqlite(folder: string): string[] {
    const path = join(this.#dir, folder)
    return readdirSync(path)
      .filter((name) => name.endsWith('.sqlite') && name !== 'metadata.sqlite')
      .map((name) => join(path, name))
  }
}

/**
 * Stops workerd in its tracks, lets `act` at its files and at Postgres, and has it come back on what was left there. `isFree`
 * says whether Postgres can be changed: a workerd that was stopped in the middle of a transaction is let go on first.
 */
export async function whileDown<Value>(
  { dir, run }: Place,
  isFree: () => Promise<boolean>,
  act: (storage: Storage) => Promise<Value>,
): Promise<Value> {
  const workerd = pausedWorkerd(dir)
  while (!(await isFree())) {
    process.kill(workerd.pid, 'SIGCONT')
    await sleep(LOOK_EVERY_MS)
    process.kill(workerd.pid, 'SIGSTOP')
  }
  try {
    return await act(new Storage(dir))
  } finally {
    process.kill(workerd.pid, 'SIGKILL')
    while (isRunning(workerd)) await sleep(1)
    await untilBack(run)
  }
}

/** Lets `act` read the files while nothing is written to them. */
export function whilePaused<Value>(dir: string, act: (storage: Storage) => Value): Value {
  const workerd = pausedWorkerd(dir)
  try {
    return act(new Storage(dir))
  } finally {
    process.kill(workerd.pid, 'SIGCONT')
  }
}

function pausedWorkerd(dir: string): Found {
  const [workerd] = processesOf(dir, 'workerd')
  if (workerd === undefined) throw new Error('no workerd is recorded and runs')
  process.kill(workerd.pid, 'SIGSTOP')
  return workerd
}

async function untilBack({ vault_url, gateway_url }: RunFile): Promise<void> {
  for (const deadline = Date.now() + BACK_DEADLINE_MS; Date.now() < deadline; await sleep(LOOK_EVERY_MS)) {
    if ((await statusOf(`${vault_url}/ready`)) !== 200) continue
    // Without a token: refused, by a gateway that is there.
    if ((await statusOf(`${gateway_url}/api/sites`)) === 401) return
  }
  throw new Error(`workerd did not come back within ${BACK_DEADLINE_MS / 1000} s`)
}

async function statusOf(url: string): Promise<number> {
  try {
    const response = await fetch(url)
    await response.arrayBuffer()
    return response.status
  } catch {
    return 0
  }
}

function withDatabase<Value>(path: string, act: (database: DatabaseSync) => Value): Value {
  const database = new DatabaseSync(path)
  try {
    return act(database)
  } finally {
    database.close()
  }
}

function insert(database: DatabaseSync, table: string, record: StoredRecord): void {
  const names = Object.keys(record)
  const marks = names.map(() => '?').join(', ')
  database.prepare(`insert into ${table} (${names.join(', ')}) values (${marks})`).run(...Object.values(record))
}
