import { randomUUID } from 'node:crypto'
import postgres from 'postgres'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { IngestMessage } from '../../domain/contracts/queues.ts'
import type { EmbeddedPostgres } from '../../local/postgres/postgres.ts'
import { startThrowawayPostgres } from '../../local/postgres/throwaway.ts'
import { connect, type Sql } from '../runtime/database.ts'
import { fanOut } from './fan-out.ts'

const AT = new Date('2026-11-24T10:30:00Z')
const MINUTE = 60_000
const TENANTS = process.env.FLAREWATCH_SCALE === 'full' ? 1000 : 100

let database: EmbeddedPostgres
let superuser: postgres.Sql
let scheduler: Sql

beforeAll(async () => {
  database = await startThrowawayPostgres()
  superuser = postgres(database.superuserUrl, { max: 1, onnotice: () => {} })
  scheduler = connect({ connectionString: database.pooledUrlFor('flarewatch_scheduler') } as Hyperdrive)
})
afterAll(async () => {
  await scheduler?.end()
  await superuser?.end()
  await database?.stop()
})

beforeEach(async () => {
  await superuser`truncate flarewatch.jobs, flarewatch.credentials cascade`
})

async function addCredentials(count: number, due: Date): Promise<string> {
  const tenant = randomUUID()
  await superuser`insert into flarewatch.tenants (id, name, state, activated_at) values (${tenant}, 'A', 'active', now())`
  await superuser`insert into flarewatch.tenant_keys (tenant_id, version, kek_version, wrapped_dek)
    values (${tenant}, 1, 1, ${Buffer.alloc(60)})`
  await superuser`
    insert into flarewatch.credentials (id, tenant_id, provider, label, kek_version, wrapped_dek, dek_version, salt,
      ciphertext, last4, scope, grade, next_poll_at, created_by)
    select gen_random_uuid(), ${tenant}, 'cloudflare', 'C', 1, ${Buffer.alloc(60)}, 1, ${Buffer.alloc(32)},
      ${Buffer.alloc(80)}, 'abcd', 's', 'read_only', ${due}, ${tenant} from generate_series(1, ${count})`
  return tenant
}

/** Takes what the scheduler sends; refuses from a given batch on, as a queue that is down does. */
function queue(refuseFrom = Number.POSITIVE_INFINITY) {
  const batches: IngestMessage[][] = []
  return {
    batches,
    sent: () => batches.flat(),
    ingest: {
      sendBatch: async (messages: Iterable<MessageSendRequest<IngestMessage>>) => {
        if (batches.length >= refuseFrom) throw new Error('queue is down')
        batches.push([...messages].map(({ body }) => body))
      },
    } as unknown as Queue<IngestMessage>,
  }
}

describe('fanOut', () => {
  it('sends every due credential once, in batches that the queue takes, and nothing that is not due', async () => {
    await addCredentials(230, AT)
    await addCredentials(5, new Date(AT.getTime() + MINUTE))
    const { ingest, batches, sent } = queue()
    expect(await fanOut(scheduler, ingest, AT)).toBe(230)
    expect(batches.map(({ length }) => length)).toEqual([100, 100, 30])
    expect(new Set(sent().map(({ credential_id }) => credential_id)).size).toBe(230)
    expect(await fanOut(scheduler, ingest, AT)).toBe(0)
  })

  it('takes tenants in turn: whoever has few due is sent before the thousands of another', async () => {
    await addCredentials(1200, new Date(AT.getTime() - 60 * MINUTE))
    const few = await Promise.all(Array.from({ length: 20 }, () => addCredentials(3, AT)))
    const { ingest, batches } = queue()
    expect(await fanOut(scheduler, ingest, AT)).toBe(1260)
    const ids = new Set(
      batches
        .slice(0, 10)
        .flat()
        .map(({ credential_id }) => credential_id),
    )
    const served = await superuser<{ tenant_id: string; polls: number }[]>`
      select tenant_id, count(*)::int as polls from flarewatch.jobs where credential_id in ${superuser([...ids])} group by 1`
    const polls = new Map(served.map(({ tenant_id, polls }) => [tenant_id, polls]))
    expect(few.map((tenant) => polls.get(tenant))).toEqual(few.map(() => 3))
  })

  it(`fans ${TENANTS * 10} due credentials of ${TENANTS} tenants out in one minute's tick`, async () => {
    await addCredentials(TENANTS * 5, AT)
    for (let tenant = 0; tenant < TENANTS; tenant += 1) await addCredentials(5, AT)
    const { ingest, sent } = queue()
    expect(await fanOut(scheduler, ingest, AT)).toBe(TENANTS * 10)
    expect(new Set(sent().map(({ credential_id }) => credential_id)).size).toBe(TENANTS * 10)
  })

  it('sends ids and nothing else', async () => {
    await addCredentials(1, AT)
    const { ingest, sent } = queue()
    await fanOut(scheduler, ingest, AT)
    expect(sent().map((message) => Object.keys(message).sort())).toEqual([['credential_id', 'job_id']])
  })

  it('leaves what a queue did not take to its lease: then the same jobs are sent again', async () => {
    await addCredentials(150, AT)
    const down = queue(1)
    await expect(fanOut(scheduler, down.ingest, AT)).rejects.toThrow('queue is down')
    const up = queue()
    expect(await fanOut(scheduler, up.ingest, new Date(AT.getTime() + MINUTE))).toBe(0)
    expect(await fanOut(scheduler, up.ingest, new Date(AT.getTime() + 15 * MINUTE))).toBe(150)
    const [jobs] = await superuser`select count(*)::int as all, count(*) filter (where attempt = 2)::int as again
      from flarewatch.jobs`
    expect(jobs).toEqual({ all: 150, again: 150 })
  })

  it('gives two schedulers that run at once no job in common', async () => {
    await addCredentials(180, AT)
    const [one, other] = [queue(), queue()]
    const sent = await Promise.all([fanOut(scheduler, one.ingest, AT), fanOut(scheduler, other.ingest, AT)])
    expect(sent[0] + sent[1]).toBe(180)
    expect(new Set([...one.sent(), ...other.sent()].map(({ job_id }) => job_id)).size).toBe(180)
  })
})
