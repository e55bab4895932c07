import { randomBytes } from 'node:crypto'
import { appendFileSync, copyFileSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import type { Sql } from 'postgres'
import { ENCODINGS, type Encoding, encode } from './encodings.ts'
import { files } from './places/files.ts'
import { visit } from './places/http.ts'
import { copy } from './places/postgres.ts'
import { copySqlite, isSqlite } from './places/sqlite.ts'
import { Scanner } from './scanner.ts'
import { type Finding, type Items, Sweep } from './sweep.ts'

/** Proof that the sweep would have found it: a marker in each encoding, planted in a copy of each place. */
export type Planted = { tried: number; found: number; missed: { place: string; encoding: Encoding }[] }

type Marker = { readonly encoding: Encoding; readonly name: string; readonly plain: Buffer; readonly written: Buffer }
/** Values are larger than a SQLite page, so that a search by bytes alone would miss what lies across two. */
const PADDING = 'x'.repeat(6000)

export class Planter {
  readonly planted: Planted = { tried: 0, found: 0, missed: [] };

  /** Plants by `plant`, searches by the way in which the place itself is searched, and keeps count. */
  async in(
    place: string,
    plant: (markers: readonly Marker[]) => Items | Promise<Items>,
    holds = anything,
  ): Promise<void> {
    const markers = ENCODINGS.map(newMarker).filter(holds)
    const sweep = new Sweep(new Scanner(markers.map(({ name, plain }) => ({ name, bytes: plain }))))
    await sweep.over(await plant(markers))
    this.#count(place, markers, sweep.findings)
  }

  #count(place: string, markers: readonly Marker[], findings: readonly Finding[]): void {
    const found = new Set(findings.map(({ secret }) => secret))
    const missed = markers.filter(({ name }) => !found.has(name))
    this.planted.tried += markers.length
    this.planted.found += markers.length - missed.length
    this.planted.missed.push(...missed.map(({ encoding }) => ({ place, encoding })))
  }
}

/** Quote, backslash and slash make the escaped forms differ from the raw one. */
function newMarker(encoding: Encoding): Marker {
  const plain = Buffer.from(`planted"\\/${randomBytes(18).toString('base64')}`)
  return { encoding, name: encoding, plain, written: encode(plain, encoding) }
}

function anything(_: Marker): boolean {
  return true
}

/** Postgres and SQLite texts cannot hold the zero bytes of UTF-16. */
function text({ encoding }: Marker): boolean {
  return encoding !== 'utf-16'
}

export async function plantInPostgres(planter: Planter, sql: Sql): Promise<void> {
  await planter.in('postgres, bytea', async (markers) => {
    await sql`create temp table canary_bytes (held bytea)`
    for (const { written } of markers) await sql`insert into canary_bytes values (${written})`
    return [{ place: 'copy', location: 'bytea', chunks: copy(sql, 'canary_bytes') }]
  })
  await planter.in(
    'postgres, text',
    async (markers) => {
      await sql`create temp table canary_texts (held text)`
      for (const { written } of markers) await sql`insert into canary_texts values (${written.toString('latin1')})`
      return [{ place: 'copy', location: 'text', chunks: copy(sql, 'canary_texts') }]
    },
    text,
  )
}

export async function plantInMail(planter: Planter, sql: Sql): Promise<void> {
  await planter.in(
    'outgoing mail',
    async (markers) => {
      await sql`create temp table canary_mail as select * from flarewatch.mail_outbox with no data`
      for (const { plain, written, encoding } of markers) {
        // JSON text is decoded and written anew by jsonb: the marker itself is what comes out escaped.
        const body = encoding.startsWith('json') ? plain : written
        await sql`insert into canary_mail (payload) values (${sql.json({ body: body.toString('latin1') })})`
      }
      return [{ place: 'copy', location: 'mail', chunks: copy(sql, 'canary_mail') }]
    },
    text,
  )
}

/** One real file of each place, copied to the same path below an empty folder and written to there. */
export async function plantInFiles(
  planter: Planter,
  dir: string,
  examples: ReadonlyMap<string, string>,
): Promise<void> {
  for (const [place, location] of examples) {
    const folder = mkdtempSync(join(tmpdir(), 'canary-planted-'))
    try {
      const target = join(folder, location)
      mkdirSync(dirname(target), { recursive: true })
      await planter.in(place, (markers) => {
        if (isSqlite(join(dir, location))) plantRows(join(dir, location), target, markers)
        else plantBytes(join(dir, location), target, markers)
        return files(folder)
      })
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
  }
}

function plantBytes(source: string, target: string, markers: readonly Marker[]): void {
  copyFileSync(source, target)
  for (const { written } of markers) appendFileSync(target, Buffer.concat([written, Buffer.from('\n')]))
}

/** The text and the blob of one row hold one half of the markers each: both kinds of value are looked into. */
function plantRows(source: string, target: string, markers: readonly Marker[]): void {
  const database = new DatabaseSync(copySqlite(source, target))
  try {
    database.exec('create table canary_planted (as_text text, as_blob blob)')
    const insert = database.prepare('insert into canary_planted values (?, ?)')
    markers.forEach((marker, index) => {
      const asText = index % 2 === 0 && text(marker)
      const padded = Buffer.concat([Buffer.from(PADDING), marker.written, Buffer.from(PADDING)])
      insert.run(asText ? padded.toString('latin1') : null, asText ? null : padded)
    })
  } finally {
    database.close()
  }
}

/** A server that answers as the gateway did, with the markers behind. */
export async function plantInAnswers(planter: Planter, answer: Buffer): Promise<void> {
  let body = answer
  const server = createServer((_, response) => response.end(body))
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening))
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  try {
    await planter.in('answers', async (markers) => {
      body = Buffer.concat([answer, ...markers.map(({ written }) => written)])
      return [(await visit('copy', `http://127.0.0.1:${address.port}/`, { name: 'nobody', headers: {} })).item]
    })
  } finally {
    server.close()
  }
}
