import { randomUUID } from 'node:crypto'
import postgres, { type Sql } from 'postgres'
import type { RunFile } from '../run-file.ts'
import { deliver, until } from '../stack.ts'
import type { Cell } from './document.ts'
import type { Scene } from './visitors.ts'

/** The two agencies, and a job of each that is leased. */
export type Sides = {
  readonly own: { readonly tenantId: string; readonly credentialId: string; readonly jobId: string }
  readonly other: { readonly tenantId: string; readonly credentialId: string; readonly jobId: string }
}
type Body = Readonly<Record<string, unknown>>
type Message = readonly [what: string, expected: string, body: (sides: Sides) => Body]

/** What a consumer makes of a message that it must not act on: taken off the queue, told, and nothing of anybody's touched. */
const refused = (reason: string) => `acked, ${reason}, touched nothing`
const IGNORED = 'acked, no incident, touched nothing'

const JOB_MESSAGES: readonly Message[] = [
  [
    'own job, credential of another',
    refused('credential_mismatch'),
    ({ own, other }) => ({ job_id: own.jobId, credential_id: other.credentialId }),
  ],
  [
    'job of another, own credential',
    refused('credential_mismatch'),
    ({ own, other }) => ({ job_id: other.jobId, credential_id: own.credentialId }),
  ],
  [
    'no job, credential of another',
    refused('job_unknown'),
    ({ other }) => ({ job_id: randomUUID(), credential_id: other.credentialId }),
  ],
  [
    'credential of another in the place of the job',
    refused('job_unknown'),
    ({ own, other }) => ({ job_id: other.credentialId, credential_id: own.credentialId }),
  ],
  [
    'right ids, and the tenant of another beside them',
    refused('message_malformed'),
    ({ own, other }) => ({ job_id: own.jobId, credential_id: own.credentialId, tenant_id: other.tenantId }),
  ],
]

/** Every queue that a Worker consumes, with ids of another tenant in each field. */
export const QUEUES: readonly {
  readonly worker: string
  readonly queue: string
  readonly messages: readonly Message[]
}[] = [
  { worker: 'connector', queue: 'flarewatch-ingest', messages: JOB_MESSAGES },
  { worker: 'connector', queue: 'flarewatch-ingest-dead', messages: JOB_MESSAGES },
  {
    worker: 'vault',
    queue: 'flarewatch-rewrap',
    messages: [
      [
        'own tenant, credential of another',
        IGNORED,
        ({ own, other }) => ({ kind: 'tenant', tenant_id: own.tenantId, after: other.credentialId }),
      ],
      [
        'tenant of another, own credential',
        IGNORED,
        ({ own, other }) => ({ kind: 'tenant', tenant_id: other.tenantId, after: own.credentialId }),
      ],
      [
        'all tenants, and one of another beside',
        IGNORED,
        ({ other }) => ({ kind: 'tenants', after: null, tenant_id: other.tenantId }),
      ],
    ],
  },
  {
    worker: 'verifier',
    queue: 'flarewatch-verify',
    messages: [
      ['a log that is nobody’s', IGNORED, () => ({ kind: 'moved', log: randomUUID(), due_at: Date.now() })],
      [
        'own log, and that of another beside',
        IGNORED,
        ({ own, other }) => ({ kind: 'night', log: own.tenantId, due_at: Date.now(), tenant_id: other.tenantId }),
      ],
    ],
  },
]

/** T4 behind the queues: messages and job rows with ids of another tenant, as whoever could write them would. */
export async function playMessages(run: RunFile, sides: Sides): Promise<Cell[]> {
  const sql = postgres(run.postgres_superuser_url, { max: 1, onnotice: () => {} })
  try {
    const cells: Cell[] = []
    for (const { worker, queue, messages } of QUEUES) {
      for (const [what, expected, body] of messages) {
        const actual = await touchedBy(sql, sides, () => deliver(run, worker, queue, body(sides)))
        cells.push({ what: `${queue}: ${what}`, who: worker, expected, actual })
      }
    }
    for (const field of await jobFields(sql)) cells.push(...(await playJobField(run, sql, sides, field)))
    return cells
  } finally {
    await sql.end()
  }
}

/** A job of each agency is leased, and nobody else polls for them meanwhile. */
export async function leaseBoth(run: RunFile, scene: Scene): Promise<Sides> {
  const sql = postgres(run.postgres_superuser_url, { max: 1, onnotice: () => {} })
  try {
    return await leaseIn(sql, scene)
  } finally {
    await sql.end()
  }
}

async function leaseIn(sql: Sql, { place, otherTenantId, otherCredentialId }: Scene): Promise<Sides> {
  const sides = [
    { tenantId: place.tenantId, credentialId: place.credentialId },
    { tenantId: otherTenantId, credentialId: otherCredentialId },
  ] as const
  // Of any of their credentials: a poll, or a history that is read, would be counted for a message.
  const tenants = sides.map(({ tenantId }) => tenantId)
  await sql`update flarewatch.credentials set next_poll_at = now() + interval '1 day' where tenant_id in ${sql(tenants)}`
  await sql`
    update flarewatch.backfills set state = 'stopped', finished_at = now() where state = 'open' and tenant_id in ${sql(tenants)}`
  await until(
    async () =>
      (await sql`select from flarewatch.jobs where state = 'leased' and tenant_id in ${sql(tenants)}`).length === 0,
    'no job runs',
  )
  const [own, other] = await Promise.all(sides.map(async (side) => ({ ...side, jobId: await lease(sql, side) })))
  if (own === undefined || other === undefined) throw new Error('no job was leased')
  await untilStill(sql, { own, other })
  return { own, other }
}

async function lease(sql: Sql, { tenantId, credentialId }: Omit<Sides['own'], 'jobId'>): Promise<string> {
  const [row] = await sql<{ id: string }[]>`
    insert into flarewatch.jobs (tenant_id, credential_id, lease_until, created_at)
    values (${tenantId}, ${credentialId}, now() + interval '1 hour', now()) returning id`
  return row?.id ?? ''
}

/** What a message did: to the queue, in words of an incident, and to rows of either tenant, audit rows of a release among them. */
async function touchedBy(sql: Sql, sides: Sides, act: () => Promise<string>): Promise<string> {
  const states = () => Promise.all([stateOf(sql, sides.own.tenantId), stateOf(sql, sides.other.tenantId)])
  const before = await states()
  const [clock] = await sql<{ seen: string[] }[]>`select array_agg(id::text) as seen from flarewatch.incidents`
  const delivery = await act()
  const told = await sql<{ reason: string }[]>`
    select coalesce(detail ->> 'reason', kind) as reason from flarewatch.incidents
    where id::text <> all (${clock?.seen ?? []}::text[]) order by 1`
  const after = await states()
  const touched =
    ['own', 'those of another'].filter((_, side) => before[side] !== after[side]).join(' and ') || 'nothing'
  return `${delivery}, ${told.map(({ reason }) => reason).join(' and ') || 'no incident'}, touched ${touched}`
}

const TABLES = [
  'credentials',
  'jobs',
  'sites',
  'cursors',
  'facts_hourly',
  'facts_daily',
  'facts_top',
  'tenant_keys',
  'audit_log',
]

async function stateOf(sql: Sql, tenantId: string): Promise<string> {
  const states: string[] = []
  for (const table of TABLES) {
    const [row] = await sql<{ digest: string | null }[]>`
      select md5(string_agg(md5(t::text), '' order by md5(t::text))) as digest
      from ${sql(`flarewatch.${table}`)} t where tenant_id = ${tenantId}`
    states.push(row?.digest ?? 'empty')
  }
  return states.join(' ')
}

/** What was done before is all in Postgres: rows of the log reach it a moment later. */
async function untilStill(sql: Sql, sides: Sides): Promise<void> {
  let last = ''
  await until(async () => {
    const now = `${await stateOf(sql, sides.own.tenantId)} ${await stateOf(sql, sides.other.tenantId)}`
    const isStill = now === last
    last = now
    await new Promise((passed) => setTimeout(passed, 350))
    return isStill
  }, 'the log is written')
}

/** Every column of a job that names something of a tenant. */
async function jobFields(sql: Sql): Promise<string[]> {
  const rows = await sql<{ name: string }[]>`
    select attname as name from pg_attribute
    where attrelid = 'flarewatch.jobs'::regclass and atttypid = 'uuid'::regtype and attnum > 0 and not attisdropped and attname <> 'id'
    order by 1`
  return rows.map(({ name }) => name)
}

/** An id of another tenant in a job's row: refused by Postgres, or, past its guards, nothing that its consumer acts on for them. */
async function playJobField(run: RunFile, sql: Sql, sides: Sides, field: string): Promise<Cell[]> {
  const { own, other } = sides
  const known = FIELDS[field]
  if (known === undefined) throw new Error(`jobs.${field} is new: say here what of another tenant it could name`)
  const foreign = await known.foreign(sql, other)
  const cells: Cell[] = []
  if (known.guard !== null) {
    const actual = await refusalOf(sql`update flarewatch.jobs set ${sql(field)} = ${foreign} where id = ${own.jobId}`)
    cells.push({ what: `job row: ${field} of another`, who: 'Postgres', expected: known.guard, actual })
  }
  for (const queue of ['flarewatch-ingest-dead', 'flarewatch-ingest']) {
    const message = { job_id: own.jobId, credential_id: field === 'credential_id' ? foreign : own.credentialId }
    await unguarded(sql, async (tx) => {
      if (field === 'credential_id')
        await tx`update flarewatch.jobs set state = 'done', finished_at = now() where id = ${other.jobId}`
      await (known.write ?? written)(tx, own.jobId, field, foreign)
    })
    const actual = await touchedBy(sql, sides, () => deliver(run, 'connector', queue, message))
    const what = `job row past the guards: ${field} of another, ${queue}`
    cells.push({ what, who: 'connector', expected: known.delivered[queue] ?? '', actual })
    await unguarded(sql, (tx) => putBack(tx, sides))
  }
  return cells
}

type Field = {
  readonly foreign: (sql: Sql, other: Sides['other']) => Promise<string>
  /** How Postgres refuses it to everybody, itself included; null where nothing is acted on by it. */
  readonly guard: string | null
  readonly delivered: Readonly<Record<string, string>>
  /** Where the column alone would be refused past the guards too. */
  readonly write?: typeof written
}
function written(tx: postgres.TransactionSql, jobId: string, field: string, foreign: string): PromiseLike<unknown> {
  return tx`update flarewatch.jobs set ${tx(field)} = ${foreign} where id = ${jobId}`
}
/** 23514: a job that is not dead was not replayed. What a dead one was replayed by and as is told to its tenant, and nobody acts on it. */
const REPLAYED = {
  guard: 'refused, 23514',
  delivered: { 'flarewatch-ingest-dead': refused('job_finished'), 'flarewatch-ingest': refused('job_finished') },
  write: (tx: postgres.TransactionSql, jobId: string, field: string, foreign: string) => {
    const replay = {
      state: 'dead',
      finished_at: new Date(),
      replayed_at: new Date(),
      replayed_by: jobId,
      replayed_as: jobId,
    }
    return tx`update flarewatch.jobs set ${tx({ ...replay, [field]: foreign })} where id = ${jobId}`
  },
}
const UNSEEN = { 'flarewatch-ingest-dead': refused('lease_expired'), 'flarewatch-ingest': refused('lease_expired') }
const FIELDS: Readonly<Record<string, Field>> = {
  // 23503: tenant and credential of a job are one foreign key. 23505: a credential has one leased job.
  tenant_id: { foreign: async (_, { tenantId }) => tenantId, guard: 'refused, 23503', delivered: UNSEEN },
  credential_id: { foreign: async (_, { credentialId }) => credentialId, guard: 'refused, 23505', delivered: UNSEEN },
  replayed_as: { foreign: async (_, { jobId }) => jobId, ...REPLAYED },
  replayed_by: {
    foreign: async (sql, { tenantId }) => {
      const [row] = await sql<{ user_id: string }[]>`
        select user_id from flarewatch.members where tenant_id = ${tenantId} limit 1`
      return row?.user_id ?? ''
    },
    ...REPLAYED,
  },
  intent_row: {
    foreign: async (sql, { tenantId }) => {
      const [row] = await sql<{ row_id: string }[]>`
        select row_id from flarewatch.audit_log where tenant_id = ${tenantId} order by seq desc limit 1`
      return row?.row_id ?? ''
    },
    guard: null,
    delivered: {
      'flarewatch-ingest-dead': 'acked, job_dead, touched own',
      'flarewatch-ingest': 'acked, no incident, touched own',
    },
  },
}

async function refusalOf(statement: PromiseLike<unknown>): Promise<string> {
  try {
    await statement
    return 'written'
  } catch (error) {
    return error instanceof postgres.PostgresError ? `refused, ${error.code}` : String(error)
  }
}

/** Both jobs as they were leased. */
async function putBack(tx: postgres.TransactionSql, { own, other }: Sides): Promise<void> {
  for (const { jobId, tenantId, credentialId } of [own, other]) {
    await tx`
      update flarewatch.jobs set tenant_id = ${tenantId}, credential_id = ${credentialId}, intent_row = null, state = 'leased',
        run_state = null, reason = null, finished_at = null, replayed_at = null, replayed_by = null, replayed_as = null
      where id = ${jobId}`
  }
}

/** As a superuser who switches foreign keys and triggers off. */
async function unguarded(sql: Sql, act: (tx: postgres.TransactionSql) => Promise<unknown>): Promise<void> {
  await sql.begin(async (tx) => {
    await tx`set local session_replication_role = replica`
    await act(tx)
  })
}
