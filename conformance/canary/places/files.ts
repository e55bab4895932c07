import { createReadStream, readdirSync, statSync } from 'node:fs'
import { join, relative, sep } from 'node:path'
import type { Item } from '../sweep.ts'
import { isSqlite, sqliteRows } from './sqlite.ts'

/** Keys live in `secrets` by design; the database is dumped by COPY. Everything else below DIR is searched. */
const NOT_SEARCHED = new Set(['secrets', 'postgres'])

/** Every file below DIR as bytes, and every SQLite file as rows too, since SQLite splits a value over pages. */
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
  return first
}

function* walk(folder: string, depth = 0): Generator<string> {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    if (depth === 0 && NOT_SEARCHED.has(entry.name)) continue
    const path = join(folder, entry.name)
    if (entry.isDirectory()) yield* walk(path, depth + 1)
    else if (entry.isFile()) yield path
  }
}

/** A file may go while the stack runs; what is gone holds nothing. */
export async function* readFile(path: string): AsyncGenerator<Uint8Array> {
  if (statSync(path, { throwIfNoEntry: false }) === undefined) return
  for await (const chunk of createReadStream(path, { highWaterMark: 1024 * 1024 })) yield chunk
}

/** What belongs to ourselves; no tenant's key may be among it. */
export async function* secretFiles(dir: string): AsyncGenerator<Item> {
  for (const path of walk(join(dir, 'secrets'), 1)) {
    yield { place: 'secrets', location: relative(dir, path), chunks: readFile(path) }
  }
}
