import { closeSync, openSync, readdirSync, readSync } from 'node:fs'
import { join, relative, sep } from 'node:path'
import type { Item } from '../sweep.ts'
import { isSqlite, sqliteRows } from './sqlite.ts'

/** Our own keys live in `secrets` by design: that folder is searched apart, for tenants' secrets. */
const NOT_SEARCHED = new Set(['secrets'])

/**
 * Every file below DIR as bytes: those of Postgres too, since its write-ahead log keeps for a while what was deleted or never
 * committed, which no COPY shows. And every SQLite file as rows too, since SQLite splits a value over pages.
 */
export async function* files(dir: string): AsyncGenerator<Item> {
  for (const path of walk(dir)) {
    const location = relative(dir, path)
    const place = placeOf(location)
    yield { place, location, chunks: readFile(path) }
    if (isSqlite(path)) yield { place: `${place}, rows`, location, chunks: sqliteRows(path) }
  }
}

/** `workers/<kind>/...` holds Durable Objects, queues and R2; the rest is named by its first folder, a file of DIR by itself. */
function placeOf(location: string): string {
  const [first = '', second = '', third] = location.split(sep)
  if (first === 'workers' && third !== undefined) return `workers ${second}`
  return RENAMED[first] ?? first
}

const RENAMED: Readonly<Record<string, string>> = { postgres: 'postgres files', mail: 'outgoing mail, as sent' }

function* walk(folder: string, depth = 0): Generator<string> {
  for (const entry of unlessGone(() => readdirSync(folder, { withFileTypes: true })) ?? []) {
    if (depth === 0 && NOT_SEARCHED.has(entry.name)) continue
    const path = join(folder, entry.name)
    if (entry.isDirectory()) yield* walk(path, depth + 1)
    else if (entry.isFile()) yield path
  }
}

const READ_BYTES = 1024 * 1024

export function* readFile(path: string): Generator<Uint8Array> {
  const file = unlessGone(() => openSync(path, 'r'))
  if (file === undefined) return
  try {
    for (;;) {
      const chunk = Buffer.allocUnsafe(READ_BYTES)
      const length = readSync(file, chunk)
      if (length === 0) return
      yield chunk.subarray(0, length)
    }
  } finally {
    closeSync(file)
  }
}

/** A file may go while the stack runs; what is gone holds nothing. */
function unlessGone<Value>(open: () => Value): Value | undefined {
  try {
    return open()
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined
    throw error
  }
}

/** What belongs to ourselves; no tenant's key may be among it. */
export async function* secretFiles(dir: string): AsyncGenerator<Item> {
  for (const path of walk(join(dir, 'secrets'), 1)) {
    yield { place: 'secrets', location: relative(dir, path), chunks: readFile(path) }
  }
}
