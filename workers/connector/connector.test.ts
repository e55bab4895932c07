import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { dayOf } from '../../domain/calendar/days.ts'
import { SiteId, TenantId } from '../../domain/contracts/ids.ts'
import { World } from '../../local/simulators/resend/world.ts'
import { ledgerOf as booksOf } from '../../local/simulators/stripe/ledger.ts'
import { World as Projects } from '../../local/simulators/supabase/world.ts'
import { claimJobs, type Delivery, deliverTo } from '../../local/stands/leased-jobs.ts'
import { type Agency, foundAgency, ledgerOf } from '../../local/stands/polling-agency.ts'
import { type PollingStack, startPollingStack, WORLD_SEED } from '../../local/stands/polling-stand.ts'
import { saveLook } from './findings-store.ts'
import type { Look } from './providers/provider.ts'

const HOUR = 3_600_000
const START = Date.UTC(2026, 10, 24, 10, 30)
const INGEST = 'flarewatch-ingest'
const DEAD = 'flarewatch-ingest-dead'
/**
 * Of three zones: two days of hours with the one under way, of which the roll-up waits, a week of days with today, and the days of
 * visits, which are made of their hours.
 */
const FIRST_FACTS = { hourly: 3 * (3 * (48 + 1) + 8 * 48), daily: 3 * 10 * (7 + 1) + 3 * 3 }

let stack: PollingStack
let agency: Agency
let token: string

beforeAll(async () => {
  stack = await startPollingStack(START)
})
afterAll(() => stack?.stop())

beforeEach(async () => {
  await control('DELETE', 'faults')
  await stack.sql`delete from flarewatch.incidents`
  // Only the agency of the test that runs is polled.
  await stack.sql`update flarewatch.credentials set state = 'parked'`
  await stack.sql`update flarewatch.jobs set state = 'dead', finished_at = now() where state = 'leased'`
  token = stack.simulator.issueToken({ scope: 'read' })
  agency = await foundAgency(stack, token)
})

async function control(method: string, path: string, body?: unknown): Promise<{ requests: unknown[] }> {
  const init = body === undefined ? { method } : { method, body: JSON.stringify(body) }
  const answer = await fetch(`${stack.simulator.controlUrl}/${path}`, init)
  expect(answer.status).toBe(200)
  return answer.json()
}
const fault = (kind: string, more: Record<string, unknown> = {}) => control('POST', 'faults', { kind, ...more })
const calls = async () => (await control('GET', 'requests')).requests.length

async function cron(): Promise<void> {
  const scheduler = await stack.miniflare.getWorker('flarewatch-scheduler')
  const { outcome } = await scheduler.scheduled({ cron: '* * * * *', scheduledTime: new Date(stack.now) })
  expect(outcome).toBe('ok')
}

/** Leases a job as the scheduler does, without its queue: the test delivers the message itself. */
async function lease(): Promise<string> {
  const polls = (await claimJobs(stack)).filter(({ kind }) => kind === 'poll')
  expect(polls).toHaveLength(1)
  return polls[0]?.job_id ?? ''
}

const deliver = (queue: string, body: unknown, attempts = 1) => deliverTo(stack, queue, body, attempts)
async function pollOnce(attempts = 1): Promise<{ jobId: string; delivery: Delivery }> {
  const jobId = await lease()
  return { jobId, delivery: await deliver(INGEST, { job_id: jobId, credential_id: agency.credentialId }, attempts) }
}

const job = async (id: string) => (await stack.sql`select * from flarewatch.jobs where id = ${id}`)[0]
const credential = async () =>
  (await stack.sql`select * from flarewatch.credentials where id = ${agency.credentialId}`)[0]
const incidents = () => stack.sql`select kind, tenant_id, detail from flarewatch.incidents order by at, id`
const facts = async () => {
  const [row] = await stack.sql`
    select (select count(*) from flarewatch.facts_hourly where tenant_id = ${agency.tenantId})::int as hourly,
           (select count(*) from flarewatch.facts_daily where tenant_id = ${agency.tenantId})::int as daily`
  return { hourly: Number(row?.hourly), daily: Number(row?.daily) }
}
/** As the Edge Function does it for a member. */
async function replay(jobId: string): Promise<string> {
  const user_id = randomUUID()
  await stack.sql`insert into flarewatch.members (tenant_id, user_id, role) values (${agency.tenantId}, ${user_id}, 'operator')`
  const idempotency = { key: randomUUID(), function: 'dead-letter-replay', request_digest: 'A'.repeat(43) }
  const at = new Date(stack.now).toISOString()
  const request = { tenant_id: agency.tenantId, user_id, job_id: jobId, at, idempotency }
  const [row] = await stack.sql`select privileged.replay_dead_letter(${stack.sql.json(request)}) as answer`
  return row?.answer.dead_letter.job_id
}
/** Rows that the ledger holds for this agency: intent and outcome of each release, after the row of its birth. */
const auditRows = async () => (await (await ledgerOf(stack, agency.tenantId)).head()).seq - 1

async function until(condition: () => Promise<boolean>): Promise<void> {
  while (!(await condition())) await new Promise((resolve) => setTimeout(resolve, 100))
}

describe('the road of one credential', () => {
  it('L1: goes from cron over the queue to facts with provenance, with a row before the release and one after', async () => {
    await cron()
    await until(async () => (await credential())?.last_success_at !== null)
    const [polled] = await stack.sql`select * from flarewatch.jobs where credential_id = ${agency.credentialId}`
    expect(polled).toMatchObject({ state: 'done', run_state: 'complete', reason: null, attempt: 1 })
    expect(await credential()).toMatchObject({ state: 'active', reason: null, last_used_at: new Date(START) })
    expect(await facts()).toEqual(FIRST_FACTS)
    const visits = await stack.sql`
      select day.source, day.completeness, day.value = sum(hour.value) as is_sum from flarewatch.facts_daily day
        join flarewatch.facts_hourly hour on hour.site_id = day.site_id and hour.metric = day.metric
          and hour.window_start >= day.window_start and hour.window_start < day.window_end
      where day.site_id = ${agency.siteIds[0] ?? ''} and day.metric = 'visits'
      group by day.source, day.completeness, day.value, day.window_start order by day.window_start`
    const made = { source: 'rollup:cloudflare.httpRequestsAdaptiveGroups', is_sum: true }
    expect(visits.slice()).toEqual(
      ['partial', 'complete', 'partial'].map((completeness) => ({ ...made, completeness })),
    )
    const [newest] = await stack.sql`
      select * from flarewatch.facts_hourly where site_id = ${agency.siteIds[0] ?? ''} and metric = 'requests'
      order by window_start desc limit 1`
    expect(newest).toMatchObject({
      tenant_id: agency.tenantId,
      provider: 'cloudflare',
      source: 'cloudflare.httpRequestsAdaptiveGroups',
      unit: 'count',
      completeness: 'partial',
      window_start: new Date(Date.UTC(2026, 10, 24, 10)),
      window_end: new Date(Date.UTC(2026, 10, 24, 11)),
      fetched_at: new Date(START),
    })
    expect(await auditRows()).toBe(2)
    // The next minute's cron begins with the history: here of days alone, which is one job's.
    await stack.sql`delete from flarewatch.backfills where tenant_id = ${agency.tenantId} and dataset <> 'daily'`
    await cron()
    await until(async () => (await auditRows()) === 4)
    expect((await facts()).daily).toBeGreaterThan(3 * 10 * 360)
  })

  it('finds a zone that was added, polls one no more that is gone, and does again when it is back', async () => {
    const sites = () => stack.sql`
      select name, found_at, removed_at from flarewatch.sites where tenant_id = ${agency.tenantId}
        and name in ('harbor-yoga.example', 'new-client.example') order by name`
    await control('POST', 'zones', { name: 'new-client.example' })
    await control('POST', 'zones/remove', { name: 'harbor-yoga.example' })
    await pollOnce()
    const at = new Date(stack.now)
    const [gone, added] = await sites()
    expect(gone).toEqual({ name: 'harbor-yoga.example', found_at: null, removed_at: at })
    expect(added).toEqual({ name: 'new-client.example', found_at: at, removed_at: null })
    await control('POST', 'zones', { name: 'harbor-yoga.example' })
    await control('POST', 'zones/remove', { name: 'new-client.example' })
    stack.now += HOUR
    await pollOnce()
    expect((await sites()).map(({ removed_at }) => removed_at)).toEqual([null, new Date(stack.now)])
  })

  it('goes on from the saved cursors: an hour later one more hour, the last one made complete, nothing doubled', async () => {
    expect((await pollOnce()).delivery).toBe('acked')
    const [before, asked] = [await facts(), await calls()]
    stack.now += HOUR
    expect((await pollOnce()).delivery).toBe('acked')
    expect(await facts()).toEqual({ hourly: before.hourly + 33, daily: before.daily })
    // Settings, three of each zone, and once an hour the zones themselves.
    expect((await calls()) - asked).toBe(1 + 3 * 3 + 1)
    const open = await stack.sql`
      select distinct window_start from flarewatch.facts_hourly
      where tenant_id = ${agency.tenantId} and completeness = 'partial'`
    expect(open.map(({ window_start }) => window_start.getTime())).toEqual([Math.floor(stack.now / HOUR) * HOUR])
  })

  it('T2: leaves the token in no log line and in no column but sealed', async () => {
    await fault('server_error', { times: 2 })
    const { jobId } = await pollOnce()
    await deliver(INGEST, { job_id: jobId, credential_id: agency.credentialId }, 2)
    await deliver(INGEST, { job_id: jobId, credential_id: agency.credentialId }, 3)
    expect(stack.logs.length).toBeGreaterThan(0)
    expect(stack.logs.join('\n')).not.toContain(token)
    for (const table of ['jobs', 'credentials', 'incidents', 'cursors', 'sites']) {
      const rows = await stack.sql`select t::text as line from ${stack.sql(`flarewatch.${table}`)} t`
      const text = rows.map(({ line }) => line).join('\n')
      expect([table, text.includes(token), text.includes(Buffer.from(token).toString('hex'))]).toEqual([
        table,
        false,
        false,
      ])
    }
  })
})

describe('a provider that refuses', () => {
  it.each([
    ['unauthorized', 'provider_unauthorized'],
    ['forbidden', 'provider_forbidden'],
  ])('%s parks the credential with the reason, and nothing is tried again', async (kind, reason) => {
    await fault(kind, { times: 100 })
    const { jobId, delivery } = await pollOnce()
    expect(delivery).toBe('acked')
    expect(await job(jobId)).toMatchObject({ state: 'failed', run_state: 'parked', reason })
    expect(await credential()).toMatchObject({ state: 'parked', reason, last_success_at: null })
    expect(await auditRows()).toBe(2)
    const asked = await calls()
    stack.now += HOUR
    await cron()
    expect(await calls()).toBe(asked)
  })

  it('with 429 is left alone for as long as it says, without a release, and then asked again', async () => {
    await fault('rate_limited', { retry_after: 1200, match: 'Hourly(' })
    const { jobId, delivery } = await pollOnce()
    expect(delivery).toBe('acked')
    expect(await job(jobId)).toMatchObject({ state: 'done', run_state: 'throttled', reason: 'provider_rate_limited' })
    const shown = await credential()
    expect(shown).toMatchObject({ state: 'active', reason: 'provider_rate_limited', last_success_at: null })
    expect(shown?.next_poll_at.getTime()).toBe(stack.now + 1_200_000)
    const [rows, asked] = [await auditRows(), await calls()]
    // Even a job that somebody leases early is held back before a key is opened.
    await stack.sql`update flarewatch.credentials set next_poll_at = ${new Date(stack.now)} where id = ${agency.credentialId}`
    expect(await job((await pollOnce()).jobId)).toMatchObject({ state: 'done', run_state: 'throttled' })
    expect([await auditRows(), await calls()]).toEqual([rows, asked])
    stack.now += 1_200_001
    expect(await job((await pollOnce()).jobId)).toMatchObject({ state: 'done', run_state: 'complete' })
    expect(await credential()).toMatchObject({ reason: null, last_success_at: new Date(stack.now) })
  })

  it('with nothing at all is recorded as empty and is no success', async () => {
    await fault('empty_result', { times: 1000 })
    expect(await job((await pollOnce()).jobId)).toMatchObject({
      state: 'done',
      run_state: 'empty',
      reason: 'run_empty',
    })
    expect(await credential()).toMatchObject({ reason: 'run_empty', last_success_at: null })
    expect(await facts()).toEqual({ hourly: 0, daily: 0 })
  })
})

describe('a provider that fails', () => {
  it.each([
    ['server_error', 'provider_server_error'],
    ['cut', 'provider_unreachable'],
    ['invalid_json', 'provider_reply_invalid'],
    ['repeated_page', 'page_repeated'],
  ])('%s is retried with backoff, and the next try loses and doubles nothing', async (kind, code) => {
    await fault(kind, { match: 'httpRequestsAdaptiveGroups', times: 1 })
    const first = await pollOnce(3)
    expect(first.delivery).toEqual({ retriedAfter: 4 })
    expect(await job(first.jobId)).toMatchObject({ state: 'leased', run_state: null, reason: code })
    expect(await deliver(INGEST, { job_id: first.jobId, credential_id: agency.credentialId }, 4)).toBe('acked')
    expect(await job(first.jobId)).toMatchObject({ state: 'done', run_state: 'complete' })
    expect(await facts()).toEqual(FIRST_FACTS)
    expect(await auditRows()).toBe(4)
  })

  it('to the last try ends as a dead letter that says why, and the credential shows it and stays active', async () => {
    await fault('server_error', { times: 1000 })
    const { jobId, delivery } = await pollOnce(6)
    expect(delivery).toEqual({ retriedAfter: 32 })
    expect(await deliver(DEAD, { job_id: jobId, credential_id: agency.credentialId })).toBe('acked')
    expect(await job(jobId)).toMatchObject({ state: 'dead', run_state: 'failed', reason: 'provider_server_error' })
    expect(await credential()).toMatchObject({
      state: 'active',
      reason: 'provider_server_error',
      last_success_at: null,
    })
    expect((await incidents()).at(-1)).toMatchObject({
      kind: 'job_dead',
      tenant_id: agency.tenantId,
      detail: { job_id: jobId, code: 'provider_server_error' },
    })
    await control('DELETE', 'faults')
    stack.now += HOUR
    expect(await job((await pollOnce()).jobId)).toMatchObject({ state: 'done', run_state: 'complete' })
    expect(await credential()).toMatchObject({ reason: null })
  })

  it('L1: and a dead letter that is replayed is a release of its own, sent by the scheduler within the minute', async () => {
    await fault('server_error', { times: 1000 })
    const { jobId } = await pollOnce(6)
    await deliver(DEAD, { job_id: jobId, credential_id: agency.credentialId })
    await control('DELETE', 'faults')
    const before = await auditRows()
    const replayedAs = await replay(jobId)
    expect(await job(replayedAs)).toMatchObject({ kind: 'poll', state: 'leased', attempt: 0 })
    expect(await lease()).toBe(replayedAs)
    expect(await deliver(INGEST, { job_id: replayedAs, credential_id: agency.credentialId })).toBe('acked')
    expect(await job(replayedAs)).toMatchObject({ state: 'done', run_state: 'complete', attempt: 1 })
    expect(await job(jobId)).toMatchObject({ state: 'dead', replayed_as: replayedAs })
    expect(await auditRows()).toBe(before + 2)
  })
})

describe('a message that fits no lease', () => {
  const refusedAs = async (body: unknown, queue = INGEST) => {
    await stack.sql`delete from flarewatch.incidents`
    const asked = await calls()
    expect(await deliver(queue, body)).toBe('acked')
    expect(await calls()).toBe(asked)
    expect(await auditRows()).toBe(0)
    const all = await incidents()
    expect(all).toHaveLength(1)
    return all[0]
  }

  it('is refused and recorded when it is no message of ours, without a word of it', async () => {
    const incident = await refusedAs({ job_id: 'x', note: 'cfut_something' })
    expect(incident).toMatchObject({ kind: 'queue_message_refused', detail: { reason: 'message_malformed' } })
    expect(JSON.stringify(incident)).not.toContain('cfut_')
  })

  it('T4: is refused and recorded when job and credential are of different tenants', async () => {
    const jobId = await lease()
    const other = await foundAgency(stack, stack.simulator.issueToken({ scope: 'read' }))
    const detail = { reason: 'credential_mismatch', job_id: jobId }
    const incident = await refusedAs({ job_id: jobId, credential_id: other.credentialId })
    expect(incident).toMatchObject({ kind: 'queue_message_refused', tenant_id: agency.tenantId, detail })
    expect(await job(jobId)).toMatchObject({ state: 'leased' })
  })

  it('is refused and recorded when the job is unknown, ended, or its lease has run out', async () => {
    const { credentialId: credential_id } = agency
    const unknown = await refusedAs({ job_id: randomUUID(), credential_id })
    expect(unknown).toMatchObject({ tenant_id: null, detail: { reason: 'job_unknown' } })
    const jobId = await lease()
    stack.now += 900_000
    expect(await refusedAs({ job_id: jobId, credential_id })).toMatchObject({ detail: { reason: 'lease_expired' } })
    await stack.sql`update flarewatch.jobs set state = 'done', finished_at = now() where id = ${jobId}`
    expect(await refusedAs({ job_id: jobId, credential_id }, DEAD)).toMatchObject({
      detail: { reason: 'job_finished' },
    })
  })
})

describe('a key of another provider', () => {
  const days = () => stack.sql`
    select site_id, metric, window_start, value::int, unit, source, completeness from flarewatch.facts_daily
    where tenant_id = ${agency.tenantId} and provider = 'resend' order by window_start, site_id, metric`

  it('L1: of Resend goes the same road: facts, provenance and cursor of each domain, corrected and never doubled', async () => {
    const world = new World(WORLD_SEED)
    const retention = { method: 'POST', body: JSON.stringify({ days: 20 }) }
    expect((await fetch(`${stack.resend.controlUrl}/retention`, retention)).status).toBe(200)
    await stack.sql`update flarewatch.credentials set state = 'parked'`
    const key = stack.resend.issueReadKey()
    agency = await foundAgency(stack, key)
    await stack.sql`update flarewatch.credentials set provider = 'resend' where id = ${agency.credentialId}`
    for (const [index, { id, name }] of world.domains.entries()) {
      await stack.sql`update flarewatch.sites set provider = 'resend', provider_ref = ${id}, name = ${name}
        where id = ${agency.siteIds[index] ?? ''}`
    }
    const { jobId } = await pollOnce()
    expect(await job(jobId)).toMatchObject({ state: 'done', run_state: 'complete', reason: null })
    const first = await days()
    const day = Math.floor(stack.now / 86_400_000) * 86_400_000 - 86_400_000
    const yesterday = { metric: 'emails_sent', window_start: new Date(day), site_id: agency.siteIds[0] }
    const made = { unit: 'count', source: 'resend.emails.metrics', completeness: 'partial' }
    expect(first).toContainEqual(expect.objectContaining({ ...yesterday, ...made }))

    stack.now += 5 * 86_400_000
    expect((await pollOnce()).delivery).toBe('acked')
    const events = world.mails(world.domains[0] ?? expect.fail(), day).flatMap((mail) => mail.events)
    const sent = events.filter((event) => event.name === 'sent').length
    const second = await days()
    expect(second).toContainEqual(
      expect.objectContaining({ ...yesterday, ...made, completeness: 'complete', value: sent }),
    )
    const keys = second.map(({ site_id, metric, window_start }) => `${site_id} ${metric} ${window_start}`)
    expect(new Set(keys).size).toBe(keys.length)

    const revoked = { method: 'POST', body: JSON.stringify({ key }) }
    expect((await fetch(`${stack.resend.controlUrl}/keys/revoke`, revoked)).status).toBe(200)
    stack.now += HOUR
    await pollOnce()
    expect(await credential()).toMatchObject({ state: 'parked', reason: 'provider_forbidden' })
    expect(await days()).toEqual(second)
    expect(stack.logs.join()).not.toContain(key)
  })

  it("L1: of Stripe goes the same road: each day of the account's zone and each currency is a row, and equals its books", async () => {
    const account = stack.stripe.world.accounts[1] ?? expect.fail()
    const key = stack.stripe.issueKey({ account: 1, scope: 'read', mode: 'live' })
    await stack.sql`update flarewatch.credentials set state = 'parked'`
    agency = await foundAgency(stack, key)
    const site = agency.siteIds[0] ?? expect.fail()
    await stack.sql`delete from flarewatch.sites where tenant_id = ${agency.tenantId} and id <> ${site}`
    await stack.sql`update flarewatch.credentials set provider = 'stripe' where id = ${agency.credentialId}`
    await stack.sql`update flarewatch.sites set provider = 'stripe', provider_ref = ${account.id}, name = ${account.displayName},
      time_zone = ${account.timeZone} where id = ${site}`
    const { from } = dayOf(account.timeZone, stack.now - 30 * 24 * HOUR)
    await stack.sql`insert into flarewatch.cursors (site_id, dataset, tenant_id, complete_until, updated_at)
      values (${site}, 'daily', ${agency.tenantId}, ${new Date(from)}, ${new Date(stack.now)})`
    expect(await job((await pollOnce()).jobId)).toMatchObject({ state: 'done', run_state: 'complete', reason: null })
    stack.now += 3 * 24 * HOUR
    expect(await job((await pollOnce()).jobId)).toMatchObject({ state: 'done', run_state: 'complete', reason: null })

    const to = dayOf(account.timeZone, stack.now).from
    const [cursor] = await stack.sql`
      select complete_until from flarewatch.cursors where site_id = ${site} and dataset = 'daily'`
    expect(cursor?.complete_until).toEqual(new Date(to))
    const rows = await stack.sql<{ day: string; net: number }[]>`
      select to_char(window_start at time zone ${account.timeZone}, 'YYYY-MM-DD') || ' ' || currency as day, value::int as net
      from flarewatch.facts_daily
      where site_id = ${site} and metric = 'net_revenue' and unit = 'minor' and completeness = 'complete' and value <> 0`
    const books = Object.entries(booksOf(stack.stripe.world, { account, mode: 'live', from, to }))
    const expected = books.flatMap(([day, { net }]) => (net === 0 ? [] : [[day, net] as const]))
    expect(expected.length).toBeGreaterThan(40)
    expect(Object.fromEntries(rows.map(({ day, net }) => [day, net]))).toEqual(Object.fromEntries(expected))
    expect(stack.logs.join()).not.toContain(key)
  })

  it('L1: of Supabase goes the same road: one reading an hour of each project, with its source, until its token is refused', async () => {
    const world = new Projects(WORLD_SEED)
    const token = stack.supabase.issueReadKey()
    await stack.sql`update flarewatch.credentials set state = 'parked'`
    agency = await foundAgency(stack, token)
    await stack.sql`update flarewatch.credentials set provider = 'supabase' where id = ${agency.credentialId}`
    for (const [index, { ref, name }] of world.projects.entries()) {
      await stack.sql`update flarewatch.sites set provider = 'supabase', provider_ref = ${ref}, name = ${name}
        where id = ${agency.siteIds[index] ?? ''}`
    }
    const golden = []
    for (let hour = 0; hour < 2; hour += 1) {
      expect(await job((await pollOnce()).jobId)).toMatchObject({ state: 'done', run_state: 'complete', reason: null })
      for (const [index, project] of world.projects.entries()) {
        if (project.status === 'INACTIVE') continue
        const value = String(world.reading(project, stack.now).databaseBytes)
        const begin = new Date(Math.floor(stack.now / HOUR) * HOUR)
        golden.push({ site_id: agency.siteIds[index], window_start: begin, value, source: 'supabase.database' })
      }
      stack.now += HOUR
    }
    const sizes = () => stack.sql`
      select site_id, window_start, value::text, source from flarewatch.facts_hourly
      where tenant_id = ${agency.tenantId} and metric = 'database_bytes' and unit = 'bytes'`
    const read = await sizes()
    expect(read).toHaveLength(golden.length)
    expect(read).toEqual(expect.arrayContaining(golden))
    const paused = await stack.sql`
      select distinct metric, value::int from flarewatch.facts_daily where site_id = ${agency.siteIds[1] ?? ''}`
    expect(paused).toEqual([{ metric: 'project_active', value: 0 }])

    const revoked = { method: 'POST', body: JSON.stringify({ token }) }
    expect((await fetch(`${stack.supabase.controlUrl}/tokens/revoke`, revoked)).status).toBe(200)
    await pollOnce()
    expect(await credential()).toMatchObject({ state: 'parked', reason: 'provider_unauthorized' })
    expect(await sizes()).toHaveLength(golden.length)
    expect(stack.logs.join()).not.toContain(token)
  })
})

describe('what a look at a site found', () => {
  it('begins, is seen again, ends and begins anew; a look that was cut short or comes late ends nothing', async () => {
    const jobId = await lease()
    const siteId = SiteId.parse(agency.siteIds[0])
    const minute = (minutes: number) => new Date(stack.now + minutes * 60_000)
    const stored = async () => {
      const rows = await stack.sql`
        select concat_ws(' ', subject, level, detail, extract(epoch from first_seen - ${minute(0)})::int / 60,
          extract(epoch from last_seen - ${minute(0)})::int / 60, extract(epoch from resolved_at - ${minute(0)})::int / 60) as line
        from flarewatch.findings where site_id = ${siteId} order by subject, first_seen`
      return rows.map(({ line }) => line)
    }
    const look = async (minutes: number, slow: readonly string[], whole: Look['whole'] = ['slow_statement']) => {
      const findings = slow.map((subject) => ({ kind: 'slow_statement' as const, subject, detail: `at ${minutes}` }))
      await stack.sql.begin(async (sql) => {
        await sql`set local role flarewatch_connector`
        await sql`select flarewatch.bind_job(${jobId}, ${minute(0)})`
        const owner = { tenant_id: TenantId.parse(agency.tenantId), provider: 'supabase' }
        await saveLook(sql, owner, { siteId, findings, whole, at: minute(minutes).getTime() })
      })
      return stored()
    }
    expect(await look(1, ['1', '2'])).toEqual(['1 warning at 1 1 1', '2 warning at 1 1 1'])
    expect(await look(2, ['2'], [])).toEqual(['1 warning at 1 1 1', '2 warning at 2 1 2'])
    expect(await look(3, ['2'], ['no_primary_key'])).toEqual(['1 warning at 1 1 1', '2 warning at 3 1 3'])
    const resolved = ['1 warning at 1 1 1 4', '2 warning at 4 1 4']
    expect(await look(4, ['2'])).toEqual(resolved)
    expect(await look(3, ['1'])).toEqual(resolved)
    expect(await look(5, ['1'], [])).toEqual(['1 warning at 1 1 1 4', '1 warning at 5 5 5', '2 warning at 4 1 4'])
    await stack.sql`delete from flarewatch.findings`
  })
})

describe('keys that do not come', () => {
  it.each([
    ['flarewatch_vault', 'store_unreachable'],
    ['flarewatch_connector', null],
  ])('while Postgres refuses %s nothing is released and the job is tried again', async (role, reason) => {
    const jobId = await lease()
    const message = { job_id: jobId, credential_id: agency.credentialId }
    const asked = await calls()
    await stack.sql`revoke usage on schema flarewatch from ${stack.sql(role)}`
    try {
      expect(await deliver(INGEST, message, 2)).toEqual({ retriedAfter: 2 })
    } finally {
      await stack.sql`grant usage on schema flarewatch to ${stack.sql(role)}`
    }
    expect([await calls(), await auditRows()]).toEqual([asked, 0])
    expect(await job(jobId)).toMatchObject({ state: 'leased', reason })
    expect(await deliver(INGEST, message, 3)).toBe('acked')
    expect(await job(jobId)).toMatchObject({ state: 'done', run_state: 'complete' })
  })

  it('T6: a frozen tenant’s job fails with that word, and no key leaves', async () => {
    await (await ledgerOf(stack, agency.tenantId)).freeze('test', stack.now)
    const asked = await calls()
    const { jobId, delivery } = await pollOnce()
    expect(delivery).toBe('acked')
    expect(await job(jobId)).toMatchObject({ state: 'failed', run_state: 'failed', reason: 'tenant_frozen' })
    expect(await calls()).toBe(asked)
  })

  it('V3: a ciphertext moved from another row does not open, which is an incident', async () => {
    const other = await foundAgency(stack, stack.simulator.issueToken({ scope: 'read' }))
    await stack.sql`update flarewatch.credentials set state = 'parked' where id = ${other.credentialId}`
    await stack.sql`
      update flarewatch.credentials set ciphertext = (
        select ciphertext from flarewatch.credentials where id = ${other.credentialId}
      ) where id = ${agency.credentialId}`
    const asked = await calls()
    expect(await job((await pollOnce()).jobId)).toMatchObject({
      state: 'failed',
      run_state: 'failed',
      reason: 'not_openable',
    })
    expect(await calls()).toBe(asked)
    expect((await incidents()).at(-1)).toMatchObject({ kind: 'credential_not_openable', tenant_id: agency.tenantId })
    expect(await auditRows()).toBe(2)
  })
})
