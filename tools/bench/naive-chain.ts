import { createHash, randomBytes, randomUUID } from 'node:crypto'
import postgres from 'postgres'
import { percentile } from './compare.ts'

const HASH_BYTES = 32
const SEALED_BYTES = 285
const CONNECTIONS = 64

export type NaiveChain = {
  /** Appends so many rows by as many clients as there are connections. */
  readonly append: (rows: number) => Promise<{ readonly ms: number; readonly p99: number; readonly length: number }>
  readonly stop: () => Promise<void>
}

/** What one would write first: a transaction that takes an advisory lock, selects the last row, and inserts the next. */
export async function startNaiveChain(superuserUrl: string): Promise<NaiveChain> {
  const sql = postgres(superuserUrl, { max: CONNECTIONS, onnotice: () => {} })
  await sql`create schema bench`
  await sql`create table bench.chain (seq bigint primary key, row_id uuid not null unique, at timestamptz not null,
    key_version integer not null, previous_hash bytea not null, actor_tag bytea not null, action_tag bytea not null,
    target_tag bytea not null, sealed bytea not null, hash bytea not null)`
  const appendOne = async () => {
    const body = [randomBytes(HASH_BYTES), randomBytes(HASH_BYTES), randomBytes(HASH_BYTES), randomBytes(SEALED_BYTES)]
    await sql.begin(async (tx) => {
      await tx`select pg_advisory_xact_lock(1)`
      const [last] = await tx<
        { seq: string; hash: Buffer }[]
      >`select seq, hash from bench.chain order by seq desc limit 1`
      const previous = last?.hash ?? Buffer.alloc(HASH_BYTES)
      const hash = createHash('sha256').update(previous)
      for (const part of body) hash.update(part)
      const [actor = null, action = null, target = null, sealed = null] = body
      await tx`insert into bench.chain values (${Number(last?.seq ?? 0) + 1}, ${randomUUID()}, now(), 1, ${previous},
        ${actor}, ${action}, ${target}, ${sealed}, ${hash.digest()})`
    })
  }
  return {
    append: async (rows) => {
      const latencies: number[] = []
      let left = rows
      const client = async () => {
        while (left > 0) {
          left -= 1
          const sent = performance.now()
          await appendOne()
          latencies.push(performance.now() - sent)
        }
      }
      const began = performance.now()
      await Promise.all(Array.from({ length: CONNECTIONS }, client))
      const ms = performance.now() - began
      const [row] = await sql<{ length: number }[]>`select count(*)::int as length from bench.chain`
      return { ms, p99: percentile(latencies, 0.99), length: row?.length ?? 0 }
    },
    stop: () => sql.end({ timeout: 1 }),
  }
}
