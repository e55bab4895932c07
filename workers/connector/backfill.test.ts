import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { claimJobs, deliverTo, runUntilBackfilled } from '../../local/stands/leased-jobs.ts'
import { type Agency, foundAgency, ledgerOf } from '../../local/stands/polling-agency.ts'
import { type PollingStack, startPollingStack } from '../../local/stands/polling-stand.ts'

const MINUTE = 60_000
const DAY = 24 * 60 * MINUTE
const START = Date.UTC(2026, 10, 24, 10, 30)

let stack: PollingStack
let agency: Agency
beforeAll(async () => {
  stack = await startPollingStack(START)
})
afterAll(() => stack?.stop())

/** One site, polled for the first time; its history is planned. */
beforeEach(async () => {
  stack.now = START
  await control('DELETE', 'faults')
  agency = await polledAgency()
})

async function polledAgency(): Promise<Agency> {
  await stack.sql`update flarewatch.credentials set state = 'parked'`
  await stack.sql`update flarewatch.jobs set state = 'dead', finished_at = now() where state = 'leased'`
  const made = await foundAgency(stack, stack.simulator.issueToken({ scope: 'read' }))
  await stack.sql`delete from flarewatch.sites where tenant_id = ${made.tenantId} and id <> ${made.siteIds[0] ?? ''}`
  // The other zones that its token reaches are not looked for.
  await stack.sql`update flarewatch.credentials set sites_seen_at = '2027-01-01' where id = ${made.credentialId}`
  await runJobs('poll')
  return made
}

/** The other datasets are read by the same code: fewer slices prove as much. */
async function keepFigures({ tenantId }: Agency): Promise<void> {
  await stack.sql`
    delete from flarewatch.backfills where tenant_id = ${tenantId} and dataset not in ('daily', 'hourly')`
}

async function control(method: string, path: string, body?: unknown): Promise<void> {
  const init = body === undefined ? { method } : { method, body: JSON.stringify(body) }
  expect((await fetch(`${stack.simulator.controlUrl}/${path}`, init)).status).toBe(200)
}

/** Claims what is due and runs those of one kind. The last one's job, as it ended. */
async function runJobs(kind: 'poll' | 'backfill') {
  const jobs = (await claimJobs(stack)).filter((job) => job.kind === kind)
  for (const { kind: _, ...message } of jobs) await deliverTo(stack, 'flarewatch-ingest', message)
  const [job] = await stack.sql`
    select kind, state, run_state, reason from flarewatch.jobs where id = ${jobs.at(-1)?.job_id ?? null}`
  return job
}

const backfills = (of = agency) =>
  stack.sql`select * from flarewatch.backfills where tenant_id = ${of.tenantId} order by dataset`
const credential = async () =>
  (await stack.sql`select * from flarewatch.credentials where id = ${agency.credentialId}`)[0]
const auditRows = async () => (await (await ledgerOf(stack, agency.tenantId)).head()).seq - 1

/** What lies before the first poll, as stored; polls that run meanwhile write none of it. */
const history = (of: Agency) => stack.sql`
  select 'hourly' as dataset, metric, window_start, value::text, completeness from flarewatch.facts_hourly f
  where tenant_id = ${of.tenantId} and window_start < ${new Date(START - 2 * DAY)}
  union all
  select 'daily', metric, window_start, value::text, completeness from flarewatch.facts_daily
  where tenant_id = ${of.tenantId} and window_start < ${new Date(START - 7 * DAY)}
  order by 1, 2, 3`

/** Ends the job that runs with each slice that is committed, as a kill right after it does. */
async function killAfterEachSlice<Value>(act: () => Promise<Value>): Promise<Value> {
  await stack.sql.unsafe(`
    create function public.kill_job() returns trigger language plpgsql security definer set search_path = '' as $$
    begin
      update flarewatch.jobs set state = 'dead', finished_at = new.updated_at where kind = 'backfill' and state = 'leased';
      return null;
    end $$;
    create constraint trigger kill_job after update of done_from on flarewatch.backfills
      deferrable initially deferred for each row execute function public.kill_job()`)
  try {
    return await act()
  } finally {
    await stack.sql.unsafe('drop trigger kill_job on flarewatch.backfills; drop function public.kill_job()')
  }
}

describe('the history of a site', () => {
  it('is planned by its first poll alone, back from where that began', async () => {
    const [days, hours] = [new Date(Date.UTC(2026, 10, 17)), new Date(Date.UTC(2026, 10, 22, 10))]
    const until = [days, hours, hours, days]
    const planned = { kind: 'connect', state: 'open', since: null, slices: 0, requested_by: null }
    expect(await backfills()).toMatchObject(until.map((at) => ({ ...planned, until: at, done_from: at })))
    stack.now += 10 * MINUTE
    expect(await runJobs('poll')).toMatchObject({ run_state: 'complete' })
    expect(await backfills()).toMatchObject(until.map((at) => ({ ...planned, until: at, done_from: at })))
  })

  it('L1: is the same after a kill with every slice, and when it is all read again', async () => {
    await keepFigures(agency)
    expect(await runUntilBackfilled(stack)).toBe(1)
    const whole = await history(agency)
    expect(whole.length).toBeGreaterThan(3 * 24 * 25 + 4 * 350)
    const rows = await backfills()
    expect(rows).toMatchObject([{ state: 'done' }, { state: 'done' }])
    for (const { since, done_from } of rows) expect(done_from).toEqual(since)

    stack.now = START
    const killed = await polledAgency()
    await keepFigures(killed)
    const jobs = await killAfterEachSlice(() => runUntilBackfilled(stack))
    const slices = (await backfills(killed)).map((row) => row.slices)
    expect(jobs).toBe(slices.reduce((sum, own) => sum + own, 0))
    expect(jobs).toBeGreaterThan(5)
    expect(await history(killed)).toEqual(whole)

    await stack.sql`update flarewatch.backfills set state = 'open', done_from = until, finished_at = null
      where tenant_id = ${killed.tenantId}`
    await runUntilBackfilled(stack)
    expect(await history(killed)).toEqual(whole)
  })

  it('L1, V5: is read by jobs of its own, each with one release, and leaves what the credential shows to its polls', async () => {
    const [shown, rows] = [await credential(), await auditRows()]
    expect(await runJobs('backfill')).toMatchObject({
      kind: 'backfill',
      state: 'done',
      run_state: 'complete',
      reason: null,
    })
    expect(await auditRows()).toBe(rows + 2)
    expect(await credential()).toEqual({ ...shown, last_used_at: new Date(stack.now) })
    expect(await claimJobs(stack)).toEqual([])
  })
})

describe('a history that cannot go on', () => {
  it('leaves half of the quota to polls, and waits a minute without opening a key', async () => {
    const limits = await stack.miniflare.getDurableObjectNamespace('PROVIDER_LIMITS', 'flarewatch-connector')
    const one = limits.get(limits.idFromName(agency.credentialId)) as unknown as {
      acquire(request: object): Promise<unknown>
    }
    await one.acquire({ provider: 'cloudflare', cost: 140, reserved: 0, at: stack.now })
    const rows = await auditRows()
    await runJobs('backfill')
    expect(await runJobs('backfill')).toBeUndefined()
    const [first] = await backfills()
    expect(first).toMatchObject({ state: 'open', reason: 'quota_left_to_polls', next_at: new Date(stack.now + MINUTE) })
    expect((await auditRows()) - rows).toBeLessThanOrEqual(2)
    await stack.sql`update flarewatch.credentials set next_poll_at = ${new Date(stack.now)} where id = ${agency.credentialId}`
    expect(await runJobs('poll')).toMatchObject({ run_state: 'complete' })
  })

  it('because a slice fails waits with the reason, is tried again, and the credential shows nothing of it', async () => {
    await keepFigures(agency)
    await control('POST', 'faults', { kind: 'server_error', times: 1, match: 'Settings(' })
    expect(await runJobs('backfill')).toMatchObject({
      state: 'done',
      run_state: 'partial',
      reason: 'provider_server_error',
    })
    const failed = {
      state: 'open',
      failures: 1,
      reason: 'provider_server_error',
      next_at: new Date(stack.now + MINUTE),
    }
    expect(await backfills()).toContainEqual(expect.objectContaining(failed))
    expect(await credential()).toMatchObject({ state: 'active', reason: null })
    stack.now += MINUTE
    await runUntilBackfilled(stack)
    expect(await backfills()).toMatchObject([
      { failures: 0, reason: null },
      { failures: 0, reason: null },
    ])
  })

  it('because the key is refused parks it, and goes on with the next one', async () => {
    await control('POST', 'faults', { kind: 'unauthorized', times: 1 })
    expect(await runJobs('backfill')).toMatchObject({
      state: 'failed',
      run_state: 'parked',
      reason: 'provider_unauthorized',
    })
    expect(await credential()).toMatchObject({ state: 'parked', reason: 'provider_unauthorized' })
    expect(await claimJobs(stack)).toEqual([])
    await stack.sql`update flarewatch.credentials set state = 'active' where id = ${agency.credentialId}`
    expect(await runJobs('backfill')).toMatchObject({ state: 'done', run_state: 'complete' })
  })

  it('because its zone is closed to the key stops with that word', async () => {
    await stack.sql`update flarewatch.sites set provider_ref = ${'0'.repeat(32)} where tenant_id = ${agency.tenantId}`
    await runJobs('backfill')
    const stopped = { state: 'stopped', reason: 'provider_zone_forbidden' }
    expect(await backfills()).toMatchObject(Array(4).fill(stopped))
  })

  it('because our own part is out of reach ends as a dead letter, and the next job goes on later', async () => {
    const [job] = (await claimJobs(stack)).filter(({ kind }) => kind === 'backfill')
    const message = { job_id: job?.job_id, credential_id: agency.credentialId }
    expect(await deliverTo(stack, 'flarewatch-ingest-dead', message)).toBe('acked')
    expect(await claimJobs(stack)).toEqual([])
    stack.now += 15 * MINUTE
    expect(await runJobs('backfill')).toMatchObject({ state: 'done', run_state: 'complete' })
  })
})
