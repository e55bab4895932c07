import { Socket } from 'node:net'
import postgres, { type Sql } from 'postgres'
import type { Item } from '../sweep.ts'

export function connect(superuserUrl: string): Sql {
  const { hostname, port } = new URL(superuserUrl)
  const options = { max: 1, onnotice: () => {}, connection: { application_name: 'canary' } }
  return postgres(superuserUrl, { ...options, ...{ socket: () => ReadingSocket.open(hostname, Number(port)) } })
}

/**
 * Whoever writes waits for an answer. postgres.js pauses its socket while a COPY's consumer is slow and resumes it when more of the
 * COPY is asked for; where the pause falls on the last bytes nobody asks, and the connection would never be free again.
 */
class ReadingSocket extends Socket {
  static open(host: string, port: number): Promise<ReadingSocket> {
    const socket = new ReadingSocket()
    return new Promise((connected, failed) => {
      socket.once('error', failed)
      socket.connect(port, host, () => connected(socket.off('error', failed)))
    })
  }

  override _write(...args: Parameters<Socket['_write']>): void {
    this.resume()
    super._write(...args)
  }
}

/** A full dump: every table and materialised view of every schema, catalogs and sign-in's own tables included. */
export async function* dump(sql: Sql): AsyncGenerator<Item> {
  const tables = await sql<{ name: string; schema: string }[]>`
    select format('%I.%I', n.nspname, c.relname) as name, n.nspname as schema
    from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where c.relkind in ('r', 'm') order by 1`
  for (const { name, schema } of tables) {
    const isCatalog = schema.startsWith('pg_') || schema === 'information_schema'
    const place = isCatalog ? 'postgres catalogs' : `postgres ${schema}`
    yield { place, location: name, chunks: copy(sql, name, isCatalog ? 'text' : 'binary') }
  }
}

/**
 * As binary, a bytea is itself and no backslash is doubled; catalogs hold types that only have a text form. `table`
 * comes from format('%I'), so it is quoted already.
 */
export async function* copy(sql: Sql, table: string, format: 'binary' | 'text' = 'binary'): AsyncGenerator<Uint8Array> {
  for await (const chunk of await sql.unsafe(`copy ${table} to stdout (format ${format})`).readable()) yield chunk
  await sql`select` // Lets go of a reader that was held back at the last bytes.
}

/** Every outgoing message. They are rows too; as a place of their own they are counted as what leaves. */
export async function* outgoingMessages(sql: Sql): AsyncGenerator<Item> {
  yield { place: 'outgoing mail', location: 'flarewatch.mail_outbox', chunks: copy(sql, 'flarewatch.mail_outbox') }
}
