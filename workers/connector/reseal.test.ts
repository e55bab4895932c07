import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { type Agency, contentsOf, foundAgency, ledgerOf } from '../../local/stands/polling-agency.ts'
import { type PollingStack, startPollingStack } from '../../local/stands/polling-stand.ts'

const START = Date.UTC(2026, 10, 24, 10, 30)
const INGEST = 'flarewatch-ingest'
const DEAD = 'flarewatch-ingest-dead'

let stack: PollingStack
let agency: Agency
let token: string

beforeAll(async () => {
  stack = await startPollingStack(START)
})
afterAll(() => stack?.stop())

beforeEach(async () => {
  await stack.sql`delete from flarewatch.incidents`
  await stack.sql`update flarewatch.credentials set state = 'parked'`
  await stack.sql`update flarewatch.jobs set state = 'dead', finished_at = now() where state = 'leased'`
  // Only the agency of the test that runs is rotated.
  await stack.sql`delete from flarewatch.tenant_keys k where version > 1 and not exists (
    select from flarewatch.credentials c where c.tenant_id = k.tenant_id and c.dek_version = k.version)`
  token = stack.simulator.issueToken({ scope: 'read' })
})

async function cron(): Promise<void> {
  const scheduler = await stack.miniflare.getWorker('flarewatch-scheduler')
  expect(await scheduler.scheduled({ cron: '* * * * *', scheduledTime: new Date(stack.now) })).toMatchObject({
    outcome: 'ok',
  })
}

type Delivery = 'acked' | { readonly retriedAfter: number | undefined }
async function deliver(queue: string, jobId: string, credentialId: string, attempts = 1): Promise<Delivery> {
  const connector = await stack.miniflare.getWorker('flarewatch-connector')
  const id = randomUUID()
  const body = { job_id: jobId, credential_id: credentialId }
  const result = await connector.queue(queue, [{ id, timestamp: new Date(stack.now), body, attempts }])
  expect(result.outcome).toBe('ok')
  if (result.explicitAcks.includes(id)) return 'acked'
  return { retriedAfter: result.retryMessages.find(({ msgId }) => msgId === id)?.delaySeconds }
}

async function leaseJob(kind: 'poll' | 'reseal', credentialId = agency.credentialId): Promise<string> {
  const [job] = await stack.sql`
    insert into flarewatch.jobs (tenant_id, credential_id, kind, lease_until, created_at)
    values (${agency.tenantId}, ${credentialId}, ${kind}, ${new Date(stack.now + 900_000)}, ${new Date(stack.now)}) returning id`
  return job?.id
}

const operator = async (op: 'dek-rotate' | 'dek-standing') => {
  const { code, body } = await stack.operatorCall(op, { tenant_id: agency.tenantId })
  expect(code).toBeNull()
  return body
}
const job = async (id: string) => (await stack.sql`select * from flarewatch.jobs where id = ${id}`)[0]
const credential = async (id = agency.credentialId) =>
  (await stack.sql`select * from flarewatch.credentials where id = ${id}`)[0]
const incidents = () => stack.sql`select kind, tenant_id, detail from flarewatch.incidents order by at, id`

async function until(condition: () => Promise<boolean>): Promise<void> {
  while (!(await condition())) await new Promise((resolve) => setTimeout(resolve, 100))
}

describe('V1: the road of a DEK rotation', () => {
  it('L1 goes from cron over the queue to the last record, while every poll succeeds, and ends by itself', async () => {
    agency = await foundAgency(stack, token, 3)
    // Resealing must not depend on polling: the last one is parked, as a rejected token leaves it.
    const parked = agency.credentialIds.at(-1) ?? ''
    await stack.sql`update flarewatch.credentials set state = 'parked' where id = ${parked}`
    const before =
      await stack.sql`select id, ciphertext, salt from flarewatch.credentials where tenant_id = ${agency.tenantId}`
    expect(await operator('dek-rotate')).toMatchObject({ state: 'rotating', credentials: 3, behind: 3 })
    for (let minutes = 0; (await standingIn()) === 'rotating'; minutes += 5) {
      expect(minutes).toBeLessThan(30)
      await cron()
      await until(async () => (await stack.sql`select 1 from flarewatch.jobs where state = 'leased'`).length === 0)
      stack.now += 5 * 60_000
    }
    await cron()
    await until(async () => (await stack.sql`select 1 from flarewatch.jobs where state = 'leased'`).length === 0)
    const ended = await stack.sql`select kind, state, run_state, count(*)::int as n from flarewatch.jobs
      where tenant_id = ${agency.tenantId} group by 1, 2, 3 order by 1, 2, 3`
    expect(ended.filter(({ kind }) => kind === 'reseal').slice()).toEqual([
      { kind: 'reseal', state: 'done', run_state: 'complete', n: 3 },
    ])
    const polls = ended.filter(({ kind }) => kind === 'poll')
    expect(polls.every(({ state }) => state === 'done')).toBe(true)
    expect(polls.reduce((sum, { n }) => sum + n, 0)).toBeGreaterThanOrEqual(4)
    expect(await credential()).toMatchObject({ dek_version: 2, state: 'active', reason: null })
    expect(await credential(parked)).toMatchObject({ dek_version: 2, state: 'parked' })
    for (const { id, ciphertext, salt } of before) {
      const after = await credential(id)
      expect(after?.ciphertext).not.toEqual(ciphertext)
      expect(after?.salt).not.toEqual(salt)
    }
    expect(await incidents()).toHaveLength(0)
    const rows = await contentsOf(stack, agency)
    const told = rows.filter(({ action }) => action === 'act.outcome').map(({ detail }) => detail.intent)
    const intents = rows.filter(({ action }) => action === 'credential.reseal' || action === 'credential.open')
    expect([new Set(told).size, told.length]).toEqual([told.length, intents.length + 2])
    expect(stack.logs.join('\n')).not.toContain(token)
  })

  const standingIn = async () => (await operator('dek-standing')).state

  it('is tried again when Postgres refuses the swap, and until then the old record opens', async () => {
    agency = await foundAgency(stack, token)
    await operator('dek-rotate')
    const id = await leaseJob('reseal')
    await stack.sql`revoke execute on function flarewatch.reseal_credential from flarewatch_connector`
    try {
      expect(await deliver(INGEST, id, agency.credentialId, 2)).toEqual({ retriedAfter: 2 })
    } finally {
      await stack.sql`grant execute on function flarewatch.reseal_credential to flarewatch_connector`
    }
    const poll = await leaseJob('poll')
    expect(await deliver(INGEST, poll, agency.credentialId)).toBe('acked')
    expect(await job(poll)).toMatchObject({ state: 'done', run_state: 'complete' })
    expect(await deliver(INGEST, id, agency.credentialId, 3)).toBe('acked')
    expect(await job(id)).toMatchObject({ state: 'done', run_state: 'complete' })
    expect(await operator('dek-standing')).toMatchObject({ state: 'settled', versions: [2] })
  })

  it('that dies in the queue is an incident, says nothing of the credential, and the next cron takes it up', async () => {
    agency = await foundAgency(stack, token)
    await operator('dek-rotate')
    const id = await leaseJob('reseal')
    expect(await deliver(DEAD, id, agency.credentialId)).toBe('acked')
    expect(await job(id)).toMatchObject({ state: 'dead', run_state: 'failed', reason: 'retries_exhausted' })
    expect(await credential()).toMatchObject({ state: 'active', reason: null, dek_version: 1 })
    expect((await incidents()).map(({ kind }) => kind)).toEqual(['job_dead'])
    expect(await operator('dek-standing')).toMatchObject({ behind: 1, failing: 1 })
    stack.now += 16 * 60_000
    await cron()
    await until(async () => (await credential())?.dek_version === 2)
  })

  it('T6 of a frozen tenant waits, with a row that says why', async () => {
    agency = await foundAgency(stack, token)
    await operator('dek-rotate')
    await (await ledgerOf(stack, agency.tenantId)).freeze('drill', stack.now)
    const id = await leaseJob('reseal')
    expect(await deliver(INGEST, id, agency.credentialId)).toBe('acked')
    expect(await job(id)).toMatchObject({ state: 'failed', run_state: 'failed', reason: 'tenant_frozen' })
    expect((await contentsOf(stack, agency)).at(-1)?.detail).toMatchObject({
      succeeded: 'false',
      code: 'tenant_frozen',
    })
    expect(await credential()).toMatchObject({ dek_version: 1 })
  })
})

/** Each change, made by a superuser past all guards, and the cause that the sealed row names. */
const FAULTS: readonly (readonly [name: string, change: () => Promise<unknown>, cause: string])[] = [
  ['a wrap that was altered', () => alter('wrapped_dek', 30), 'wrap_not_openable'],
  ['a wrap of another credential', () => take('wrapped_dek'), 'wrap_not_openable'],
  [
    'a wrap whose KEK version there is not',
    () => stack.sql`update flarewatch.credentials set kek_version = 7 where id = ${agency.credentialId}`,
    'kek_unknown',
  ],
  [
    'a DEK version that the tenant has not',
    () =>
      unguarded(() => stack.sql`update flarewatch.credentials set dek_version = 9 where id = ${agency.credentialId}`),
    'dek_version_unknown',
  ],
  ['a salt that was altered', () => alter('salt', 3), 'record_commitment_mismatch'],
  ['a record of another credential', () => take('ciphertext'), 'record_commitment_mismatch'],
  ['a commitment that was altered', () => alter('ciphertext', 5), 'record_commitment_mismatch'],
  ['ciphertext that was altered', () => alter('ciphertext', 60), 'record_altered'],
  ['a record of another format', () => alter('ciphertext', 0), 'record_malformed'],
]

describe.each(['poll', 'reseal'] as const)('V3 L1: a %s whose key or record does not open', (kind) => {
  it.each(FAULTS)('%s looks as every other, and its sealed row alone tells the cause', async (_name, change, cause) => {
    agency = await foundAgency(stack, token)
    if (kind === 'reseal') await operator('dek-rotate')
    await change()
    const record = await credential()
    const id = await leaseJob(kind)
    expect(await deliver(INGEST, id, agency.credentialId)).toBe('acked')
    const shown = await job(id)
    expect(shown).toMatchObject({ state: 'failed', run_state: 'failed', reason: 'not_openable' })
    expect((await incidents()).map(({ kind: raised, detail }) => [raised, detail])).toEqual([
      ['credential_not_openable', { job_id: id, code: 'not_openable' }],
    ])
    const rows = await contentsOf(stack, agency)
    expect(rows.at(-1)).toMatchObject({ action: 'act.outcome', detail: { succeeded: 'false', code: cause } })
    expect((await contentsOf(stack, agency)).at(-2)?.action).toBe(
      kind === 'poll' ? 'credential.open' : 'credential.reseal',
    )
    // What does not open is not replaced either.
    expect(await credential()).toMatchObject({ ciphertext: record?.ciphertext, wrapped_dek: record?.wrapped_dek })
    expect(stack.logs.join('\n')).not.toContain(cause)
  })
})

function alter(column: string, at: number): Promise<unknown> {
  const name = stack.sql(column)
  return stack.sql`update flarewatch.credentials set ${name} = set_byte(${name}, ${at}, 255 - get_byte(${name}, ${at})) where id = ${agency.credentialId}`
}

async function take(column: string): Promise<unknown> {
  const other = await foundAgency(stack, stack.simulator.issueToken({ scope: 'read' }))
  const name = stack.sql(column)
  return stack.sql`update flarewatch.credentials set ${name} = (
    select ${name} from flarewatch.credentials where id = ${other.credentialId}) where id = ${agency.credentialId}`
}

async function unguarded(act: () => Promise<unknown>): Promise<void> {
  await stack.sql`alter table flarewatch.credentials disable trigger all`
  try {
    await act()
  } finally {
    await stack.sql`alter table flarewatch.credentials enable trigger all`
  }
}
