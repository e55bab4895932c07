import { randomUUID } from 'node:crypto'
import postgres from 'postgres'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { type Agency, codeOf, foundAgency } from './agency.ts'
import { runningStack } from './running.ts'
import { fireCron, issueToken, simulate, until } from './stack.ts'

/** Bad input, and what it gets: a stable code, nothing stored, nothing echoed, and no retry storm. */
const run = runningStack()
const sql = postgres(run.postgres_superuser_url, { max: 2, onnotice: () => {} })
afterAll(() => sql.end())
afterEach(() => simulate(run, 'faults', {}, 'DELETE'))

describe('a token that is no good', () => {
  let agency: Agency
  beforeAll(async () => {
    agency = await foundAgency(run)
  })

  const cases: [what: string, token: () => string | Promise<string>, code: string][] = [
    ['a global key', () => `cfk_${'a1b2c3d4'.repeat(5)}`, 'credential_global_key'],
    ['a global key of the older shape', () => 'c2547eb745079dac9320b638f5e225cf483cc', 'credential_global_key'],
    ['a text that is no token', () => 'not a token at all', 'credential_malformed'],
    ['a token that Cloudflare does not know', () => `cfut_${'Zz9'.repeat(14)}`.slice(0, 45), 'credential_rejected'],
    ['a token that was revoked', revokedToken, 'credential_rejected'],
  ]
  test.each(cases)('T5: %s gets 422 and its code, is not stored and not echoed', async (_, makeToken, code) => {
    const token = await makeToken()
    const credentialId = randomUUID()
    const answer = await agency.store(token, credentialId)
    expect([answer.status, codeOf(answer)]).toEqual([422, code])
    expect(answer.text).not.toContain(token)
    expect(await sql`select from flarewatch.credentials where id = ${credentialId}`).toHaveLength(0)
  })

  test('T5: a token that may edit is stored, and shown as over-scoped', async () => {
    const answer = await agency.store(await issueToken(run, 'edit'))
    expect(answer.body).toMatchObject({ credential: { grade: 'over_scoped' } })
  })

  test('a body beyond its bound is refused before it is read', async () => {
    const answer = await agency.owner.call('credential-store', { padding: 'x'.repeat(200_000) })
    expect(answer.status).toBe(413)
  })

  test('the same idempotency key answers the same, and another request under it is refused', async () => {
    const headers = { 'idempotency-key': randomUUID() }
    const body = { tenant_id: agency.tenantId, name: 'Agency under test' }
    const first = await agency.owner.call('tenant-create', body, headers)
    const again = await agency.owner.call('tenant-create', body, headers)
    expect([again.status, again.body]).toEqual([200, first.body])
  })

  async function revokedToken(): Promise<string> {
    const token = await issueToken(run)
    await simulate(run, 'tokens/revoke', { token })
    return token
  }
})

describe('a provider on a bad day', () => {
  test.each([
    ['unauthorized', 'provider_unauthorized'],
    ['forbidden', 'provider_forbidden'],
  ])('%s parks the credential, says so, and is not tried again', async (kind, reason) => {
    const { credentialId, token } = await polledWith((key) => ({ kind, times: 50, match: `graphql Bearer ${key}` }))
    await until(async () => (await credential(credentialId)).state === 'parked', 'the credential is parked')
    expect((await credential(credentialId)).reason).toBe(reason)
    const before = await requestsWith(token)
    await fireCron(run, 'scheduler', '* * * * *')
    await new Promise((passed) => setTimeout(passed, 1500))
    expect(await requestsWith(token)).toBe(before)
  })

  test.each(['server_error', 'invalid_json', 'cut'])(
    '%s once is retried, and no fact is doubled or lost',
    async (kind) => {
      const { credentialId } = await polledWith((key) => ({ kind, times: 1, match: `graphql Bearer ${key}` }))
      await until(async () => (await credential(credentialId)).last_success_at !== null, 'the retry succeeded')
      const [doubled] = await sql`
      select count(*) - count(distinct (site_id, metric, window_start)) as rows from flarewatch.facts_hourly`
      expect(Number(doubled?.rows)).toBe(0)
      const [gaps] = await sql`
      select count(*) as missing from (
        select window_start - lag(window_start) over (partition by site_id, metric order by window_start) as step
        from flarewatch.facts_hourly join flarewatch.sites on sites.id = site_id
        where credential_id = ${credentialId}
      ) steps where step > interval '1 hour'`
      expect(Number(gaps?.missing)).toBe(0)
    },
  )

  test('an empty answer is recorded as such and is no success', async () => {
    const { credentialId } = await polledWith(() => ({ kind: 'empty_result', times: 1000 }))
    await until(async () => (await jobs(credentialId)).every(({ state }) => state !== 'leased'), 'the job ended')
    expect((await jobs(credentialId)).map(({ run_state }) => run_state)).toContain('empty')
    expect((await credential(credentialId)).last_success_at).toBeNull()
  })
})

describe('a good day', () => {
  test('L1: each act leaves its intent and its outcome, and nothing else was ever released', async () => {
    const { credentialId, tenantId } = await polledWith(() => ({ kind: 'timeout', match: 'no request has this text' }))
    await until(async () => (await jobs(credentialId)).some(({ state }) => state === 'done'), 'the job is done')
    await until(async () => (await auditRows(tenantId)) >= ROWS_OF_THE_ROAD, 'the rows are there')
    expect(await auditRows(tenantId)).toBe(ROWS_OF_THE_ROAD)
  })
})

/** Birth, store and poll leave two rows each, and minting the step-up token one. */
const ROWS_OF_THE_ROAD = 7

async function auditRows(tenantId: string): Promise<number> {
  return (await sql`select from flarewatch.audit_log where tenant_id = ${tenantId}`).length
}

/** The fault is for this credential's own token where it says so: others of the stack may be due at the same moment. */
async function polledWith(fault: (token: string) => object) {
  const agency = await foundAgency(run)
  const [credentialId, token] = [randomUUID(), await issueToken(run)]
  const stored = await agency.store(token, credentialId)
  expect(stored.status, stored.text).toBe(200)
  await simulate(run, 'faults', fault(token))
  await fireCron(run, 'scheduler', '* * * * *')
  return { credentialId, token, tenantId: agency.tenantId }
}

async function credential(id: string): Promise<{ state: string; reason: string | null; last_success_at: Date | null }> {
  const [row] = await sql<{ state: string; reason: string | null; last_success_at: Date | null }[]>`
    select state, reason, last_success_at from flarewatch.credentials where id = ${id}`
  if (row === undefined) throw new Error('no such credential')
  return row
}

function jobs(credentialId: string): Promise<{ state: string; run_state: string | null }[]> {
  return sql<{ state: string; run_state: string | null }[]>`
    select state, run_state from flarewatch.jobs where credential_id = ${credentialId}`
}

async function requestsWith(token: string): Promise<number> {
  const { requests } = (await simulate(run, 'requests?authorization=shown', undefined, 'GET')) as {
    requests: { authorization: string }[]
  }
  return requests.filter(({ authorization }) => authorization === `Bearer ${token}`).length
}
