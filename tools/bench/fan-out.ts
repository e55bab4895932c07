import { execFile } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import { promisify } from 'node:util'
import postgres from 'postgres'
import { z } from 'zod'
import { startThrowawayPostgres } from '../../local/postgres/throwaway.ts'
import { compared, inRounds, type Measure, measured } from './compare.ts'
import type { Bench } from './scale.ts'

/** `few`: tenants with five credentials each; one more has as many as all of them. */
const SIZES = { ci: { rounds: 1, few: 100 }, full: { rounds: 3, few: 1000 } } as const
const CREDENTIALS_EACH = 5
/** All must have been sent before the next minute's tick. */
const TICK_SECONDS = 60
/** Of the messages up to the last one of a tenant with few, those that are of such a tenant. */
const FAIR_SHARE = 0.98
/** A tick holds one claim at a time: ten times as many due are not ten times the memory. */
const OF_A_TENTH = 0.3

/** One tick of the scheduler over everything that is due: how fast, with how much memory, and whom it serves first. */
export const benchFanOut: Bench = async ({ scale, say }) => {
  const { rounds, few } = SIZES[scale]
  const database = await startThrowawayPostgres()
  const sql = postgres(database.superuserUrl, { max: 1, onnotice: () => {} })
  const url = database.pooledUrlFor('flarewatch_scheduler')
  try {
    await found(sql, few)
    const credentials = 2 * few * CREDENTIALS_EACH
    const [shares, memory, memoryOfTenth] = [[] as number[], [] as number[], [] as number[]]
    const ours = async (): Promise<Measure> => {
      await setDue(sql, credentials / 10)
      memoryOfTenth.push((await tick(url, '--expose-gc')).heldMb)
      await setDue(sql, credentials)
      memory.push((await tick(url, '--expose-gc')).heldMb)
      await setDue(sql, credentials)
      const { sent, ms } = await tick(url)
      shares.push(await shareBeforeTheLast(sql, sent))
      return { times: sent.length, ms, work: `${sent.length} sent` }
    }
    const rates = await inRounds(rounds, { ours }, say)
    return [
      measured(
        `fan-out: ${credentials} due credentials of ${few + 1} tenants`,
        'credentials/s',
        rates.ours,
        Math.ceil(credentials / TICK_SECONDS),
      ),
      measured('fan-out: part of tenants with few, until the last of them is served', 'of 1', shares, FAIR_SHARE),
      compared({
        name: 'fan-out: memory of a tick, against one with a tenth as many due',
        unit: 'MB',
        ours: memory.slice(1),
        peer: memoryOfTenth.slice(1),
        limit: OF_A_TENTH,
        lessIsBetter: true,
      }),
    ]
  } finally {
    await sql.end()
    await database.stop()
  }
}

async function found(sql: postgres.Sql, few: number): Promise<void> {
  await addTenant(sql, few * CREDENTIALS_EACH)
  for (let tenant = 0; tenant < few; tenant += 1) await addTenant(sql, CREDENTIALS_EACH)
}

async function addTenant(sql: postgres.Sql, credentials: number): Promise<void> {
  const id = randomUUID()
  await sql`insert into flarewatch.tenants (id, name, state, activated_at) values (${id}, 'A', 'active', now())`
  await sql`
    insert into flarewatch.tenant_keys (tenant_id, version, kek_version, wrapped_dek) values (${id}, 1, 1, ${Buffer.alloc(60)})`
  await sql`
    insert into flarewatch.credentials (id, tenant_id, provider, label, kek_version, wrapped_dek, dek_version, salt,
      ciphertext, last4, scope, grade, next_poll_at, created_by)
    select gen_random_uuid(), ${id}, 'stripe', 'C', 1, ${Buffer.alloc(60)}, 1, ${Buffer.alloc(32)}, ${Buffer.alloc(80)},
      'abcd', 's', 'read_only', now(), ${id}
    from generate_series(1, ${credentials})`
}

/** Nothing is leased, and so many are due. */
async function setDue(sql: postgres.Sql, count: number): Promise<void> {
  await sql`truncate flarewatch.jobs cascade`
  await sql`update flarewatch.credentials set next_poll_at = now() + interval '1 day'`
  await sql`
    update flarewatch.credentials set next_poll_at = now() - interval '1 minute'
    where id in (select id from flarewatch.credentials order by id limit ${count})`
  await sql`vacuum analyze flarewatch.credentials`
}

const Tick = z.object({ sent: z.array(z.uuid()), ms: z.number(), heldMb: z.number() })

async function tick(url: string, ...flags: readonly string[]): Promise<z.infer<typeof Tick>> {
  const args = [...flags, join(import.meta.dirname, 'fan-out-tick.ts'), url]
  const { stdout } = await promisify(execFile)(process.execPath, args, { maxBuffer: 2 ** 24 })
  return Tick.parse(JSON.parse(stdout))
}

/** 1: whoever has few waits for nobody who has many. */
async function shareBeforeTheLast(sql: postgres.Sql, sent: readonly string[]): Promise<number> {
  const rows = await sql<{ id: string }[]>`
    select id from flarewatch.credentials where tenant_id in (
      select tenant_id from flarewatch.credentials group by tenant_id having count(*) = ${CREDENTIALS_EACH})`
  const few = new Set(rows.map(({ id }) => id))
  const last = sent.findLastIndex((id) => few.has(id))
  return sent.slice(0, last + 1).filter((id) => few.has(id)).length / (last + 1)
}
