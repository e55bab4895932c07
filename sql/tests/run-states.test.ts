import { randomUUID } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { BUDGET_DAYS, RUN_OBJECTIVE, RunState } from '../../domain/contracts/runs.ts'
import { isRunReason } from '../../domain/runs/words.ts'
import {
  as,
  asGateway,
  type Claims,
  connectAs,
  INSUFFICIENT_PRIVILEGE,
  refusal,
  rolledBack,
  type Tx,
} from './database.ts'
import { NOW, seedCredential, seedWorld, type Tenant, type World } from './world.ts'

const sql = connectAs('supabase_admin')
const MINUTE_MS = 60_000
const DAY_MS = 86_400_000
const ago = (ms: number) => new Date(NOW.getTime() - ms)
const claims = (sub: string, tenantId: string, aal: 'aal1' | 'aal2' = 'aal2'): Claims => ({
  sub,
  aal,
  tenant_id: tenantId,
})

function inWorld(act: (tx: Tx, world: World) => Promise<void>): Promise<void> {
  return rolledBack(sql, async (tx) => act(tx, await seedWorld(tx)))
}

type Ended = { readonly state: 'done' | 'failed' | 'dead'; readonly run: RunState; readonly reason: string | null }
/** Ended beside whatever is leased; its state is told last, as every part does. */
async function addRun(tx: Tx, tenant: Tenant, { state, run, reason }: Ended, at: Date, kind = 'poll'): Promise<string> {
  const id = randomUUID()
  await tx`insert into flarewatch.jobs (id, tenant_id, credential_id, kind, state, lease_until, created_at, finished_at)
    values (${id}, ${tenant.id}, ${tenant.credentialId}, ${kind}, ${state}, ${at}, ${at}, ${at})`
  await tx`update flarewatch.jobs set run_state = ${run}, reason = ${reason} where id = ${id}`
  return id
}
const COMPLETE: Ended = { state: 'done', run: 'complete', reason: null }
const EMPTY: Ended = { state: 'done', run: 'empty', reason: 'run_empty' }
const DEAD: Ended = { state: 'dead', run: 'failed', reason: 'provider_server_error' }

async function endSeeded(tx: Tx, { jobId }: Tenant): Promise<void> {
  await tx`delete from flarewatch.jobs where id = ${jobId}`
}

async function health(tx: Tx, who: Claims | null, at = NOW) {
  return [...(await asGateway(tx, who, () => tx`select * from flarewatch.credential_health(${at})`))]
}

test('SQL and the domain agree on states, objective and days', async () => {
  const [row] = await sql`select flarewatch.run_objective()::float as objective, flarewatch.budget_days() as days,
    to_jsonb(array(select (regexp_matches(pg_get_constraintdef(oid), '''([a-z]+)''::text', 'g'))[1] from pg_constraint
      where conname = 'jobs_run_state_check')) as states`
  expect(row).toEqual({ objective: RUN_OBJECTIVE, days: BUDGET_DAYS, states: RunState.options })
})

test('every reason that SQL ends a run with has words', async () => {
  const rows = await sql<{ reason: string }[]>`
    select distinct (regexp_matches(prosrc, $pattern$[ ,]reason = (?:case [^,;]* else )?'([a-z_]+)'$pattern$, 'g'))[1] as reason
    from pg_proc p join pg_namespace n on n.oid = p.pronamespace where n.nspname in ('flarewatch', 'privileged')`
  const found = rows.map(({ reason }) => reason)
  expect(found).toEqual(expect.arrayContaining(['credential_deleted', 'lease_expired', 'tenant_deleted']))
  expect(found.filter((reason) => !isRunReason(reason))).toEqual([])
})

describe('the health of a credential', () => {
  test('tells the last run, the last complete window, the lag, the next run and the error budget of a made history', () =>
    inWorld(async (tx, { ash, birch }) => {
      await endSeeded(tx, ash)
      for (let run = 0; run < 150; run += 1) await addRun(tx, ash, COMPLETE, ago(run * MINUTE_MS + 5 * DAY_MS))
      for (let run = 0; run < 49; run += 1) await addRun(tx, ash, EMPTY, ago(run * MINUTE_MS + DAY_MS))
      await addRun(tx, ash, DEAD, ago(7 * DAY_MS))
      await addRun(tx, ash, COMPLETE, ago(2 * MINUTE_MS), 'reseal')
      await addRun(tx, ash, { state: 'done', run: 'throttled', reason: 'provider_rate_limited' }, ago(3 * MINUTE_MS))
      await tx`update flarewatch.cursors set complete_until = ${ago(90 * MINUTE_MS)} where site_id = ${ash.siteId}`
      const [line, ...others] = await health(tx, claims(ash.viewer, ash.id, 'aal1'))
      expect(others).toEqual([])
      expect(line).toEqual({
        credential_id: ash.credentialId,
        run_state: 'throttled',
        reason: 'provider_rate_limited',
        ended_at: ago(3 * MINUTE_MS),
        complete_until: ago(90 * MINUTE_MS),
        lag_seconds: 5400,
        next_run_at: NOW,
        runs: 151,
        incomplete: 1,
        budget_left: expect.closeTo(1 - 1 / 1.51, 10),
      })
      expect(await health(tx, claims(birch.viewer, birch.id))).toMatchObject([
        { run_state: null, runs: 0, budget_left: null },
      ])
    }))

  test('is that of the site furthest behind, of none while one is not read at all, and of the last success without windows', () =>
    inWorld(async (tx, { ash }) => {
      const who = claims(ash.viewer, ash.id)
      const second = randomUUID()
      await tx`insert into flarewatch.sites (id, tenant_id, credential_id, provider, provider_ref, name)
        values (${second}, ${ash.id}, ${ash.credentialId}, 'cloudflare', ${second}, 'example.net')`
      expect(await health(tx, who)).toMatchObject([{ complete_until: null, lag_seconds: null }])
      await tx`insert into flarewatch.cursors (site_id, dataset, tenant_id, complete_until, updated_at) values
        (${second}, 'hourly', ${ash.id}, ${ago(DAY_MS)}, ${NOW}), (${second}, 'daily', ${ash.id}, ${ago(2 * DAY_MS)}, ${NOW})`
      expect(await health(tx, who)).toMatchObject([{ complete_until: ago(DAY_MS), lag_seconds: 86_400 }])
      await tx`delete from flarewatch.cursors where tenant_id = ${ash.id}`
      await tx`update flarewatch.credentials set last_success_at = ${ago(MINUTE_MS)} where id = ${ash.credentialId}`
      expect(await health(tx, who)).toMatchObject([{ complete_until: ago(MINUTE_MS), lag_seconds: 60 }])
    }))

  test('has no next run while it is parked, and is not told of what is never polled', () =>
    inWorld(async (tx, { ash }) => {
      await tx`update flarewatch.credentials set state = 'parked' where id = ${ash.credentialId}`
      const secret = randomUUID()
      await seedCredential(tx, ash.id, secret, NOW)
      await tx`update flarewatch.credentials set webhook_of = ${ash.credentialId}, next_poll_at = 'infinity' where id = ${secret}`
      expect(await health(tx, claims(ash.viewer, ash.id))).toMatchObject([
        { credential_id: ash.credentialId, next_run_at: null },
      ])
    }))

  test('T4 A1: is nobody else’s, and of the rows beneath no other tenant’s is seen', () =>
    inWorld(async (tx, { ash, birch, outsider }) => {
      await addRun(tx, birch, COMPLETE, NOW)
      for (const who of [claims(outsider, ash.id), claims(birch.owner, ash.id), claims(ash.unenrolled, ash.id), null]) {
        expect(await health(tx, who)).toEqual([])
        for (const table of ['jobs', 'cursors', 'run_counts']) {
          const seen = await asGateway(tx, who, () => tx`select tenant_id from ${tx(`flarewatch.${table}`)}`)
          expect([...seen], table).toEqual([])
        }
      }
      const own = await asGateway(tx, claims(ash.viewer, ash.id), () => tx`select tenant_id from flarewatch.jobs`)
      expect(own.map(({ tenant_id }) => tenant_id)).toEqual([ash.id])
      for (const column of ['id', 'intent_row', 'replayed_by']) {
        const read = (inner: Tx) => inner`select ${inner(column)} from flarewatch.jobs`
        expect(await refusal(tx, 'flarewatch_gateway', read), column).toBe(INSUFFICIENT_PRIVILEGE)
      }
    }))
})

type Letter = { readonly id: string; readonly replay_state: string | null; readonly made_good: boolean }
async function letters(tx: Tx, who: Claims | null, id: string | null = null): Promise<Letter[]> {
  return [...(await asGateway(tx, who, () => tx<Letter[]>`select * from flarewatch.dead_letters(${id}, 100)`))]
}

async function replay(tx: Tx, tenant: Tenant, userId: string, jobId: string, key: string = randomUUID()) {
  const request = {
    tenant_id: tenant.id,
    user_id: userId,
    job_id: jobId,
    at: NOW.toISOString(),
    idempotency: { key, function: 'dead-letter-replay', request_digest: 'A'.repeat(43) },
  }
  return tx
    .savepoint(async (inner) => {
      const [row] = await as(
        inner,
        'service_role',
        () => inner`select privileged.replay_dead_letter(${inner.json(request)}) as answer`,
      )
      return row?.answer.dead_letter
    })
    .catch((error: Error) => error.message)
}

describe('a dead letter', () => {
  test('is listed newest first with its reason and tries, and said to be made good by a later complete run of its kind', () =>
    inWorld(async (tx, { ash, birch }) => {
      const older = await addRun(tx, ash, DEAD, ago(2 * MINUTE_MS))
      await addRun(tx, ash, COMPLETE, ago(MINUTE_MS))
      await addRun(tx, ash, COMPLETE, NOW, 'reseal')
      const newer = await addRun(tx, ash, { ...DEAD, reason: 'provider_timeout' }, NOW)
      const other = await addRun(tx, birch, DEAD, NOW)
      const seen = await letters(tx, claims(ash.viewer, ash.id))
      expect(seen).toMatchObject([
        { id: newer, reason: 'provider_timeout', tries: 1, label: 'Main', made_good: false, replayed_at: null },
        { id: older, reason: 'provider_server_error', died_at: ago(2 * MINUTE_MS), made_good: true },
      ])
      expect(await letters(tx, claims(ash.viewer, ash.id), older)).toMatchObject([{ id: older }])
      expect(await letters(tx, claims(ash.viewer, ash.id), other)).toEqual([])
    }))

  test('A2 T4: is for members at AAL2 alone', () =>
    inWorld(async (tx, { ash, birch, outsider }) => {
      await addRun(tx, ash, DEAD, NOW)
      for (const who of [
        claims(ash.owner, ash.id, 'aal1'),
        claims(ash.unenrolled, ash.id),
        claims(birch.owner, ash.id),
        claims(outsider, ash.id),
        null,
      ]) {
        expect(await letters(tx, who)).toEqual([])
      }
    }))

  test('T6: is replayed by owner and operator of its own tenant, and by nobody else', () =>
    inWorld(async (tx, { ash, birch }) => {
      const id = await addRun(tx, ash, DEAD, NOW)
      expect(await replay(tx, ash, ash.viewer, id)).toBe('role_insufficient')
      expect(await replay(tx, ash, birch.owner, id)).toBe('not_a_member')
      expect(await replay(tx, birch, birch.owner, id)).toBe('dead_letter_unknown')
      expect(await replay(tx, ash, ash.owner, ash.jobId)).toBe('dead_letter_unknown')
      const call = (inner: Tx) => inner`select privileged.replay_dead_letter('{}')`
      for (const role of ['flarewatch_gateway', 'flarewatch_scheduler', 'authenticated', 'anon'] as const) {
        expect(await refusal(tx, role, call), role).toBe(INSUFFICIENT_PRIVILEGE)
      }
      expect(await replay(tx, ash, ash.unenrolled, id)).toMatchObject({ id, replayed_by: ash.unenrolled })
    }))

  test('becomes a job that the scheduler sends as any other, once, whoever asks again', () =>
    inWorld(async (tx, { ash }) => {
      await endSeeded(tx, ash)
      const id = await addRun(tx, ash, DEAD, NOW)
      const key = randomUUID()
      const replayed = await replay(tx, ash, ash.owner, id, key)
      expect(await replay(tx, ash, ash.owner, id, key)).toEqual(replayed)
      expect(await replay(tx, ash, ash.unenrolled, id)).toEqual(replayed)
      const [again, ...others] = await tx`select id, kind, attempt from flarewatch.jobs
        where credential_id = ${ash.credentialId} and state = 'leased'`
      expect([again, others]).toEqual([{ id: replayed.job_id, kind: 'poll', attempt: 0 }, []])
      const claimed = await as(
        tx,
        'flarewatch_scheduler',
        () =>
          tx`select job_id, attempt from flarewatch.claim_due(${NOW}, 300, 100) where credential_id = ${ash.credentialId}`,
      )
      expect([...claimed]).toEqual([{ job_id: replayed.job_id, attempt: 1 }])
      expect(await letters(tx, claims(ash.viewer, ash.id))).toMatchObject([
        { id, replayed_by: ash.owner, replayed_as: replayed.job_id, replay_state: 'under_way' },
      ])
    }))

  test('is taken over by a run that is under way already, and waits while its credential is parked', () =>
    inWorld(async (tx, { ash, birch }) => {
      const id = await addRun(tx, ash, DEAD, NOW)
      expect(await replay(tx, ash, ash.owner, id)).toMatchObject({ job_id: ash.jobId })
      const other = await addRun(tx, birch, DEAD, NOW)
      await tx`update flarewatch.credentials set state = 'parked' where id = ${birch.credentialId}`
      expect(await replay(tx, birch, birch.owner, other)).toBe('credential_parked')
    }))
})

test('runs and their counts go after a week, dead letters after ninety days, a batch at a time', () =>
  inWorld(async (tx, { ash }) => {
    await endSeeded(tx, ash)
    const drop = async (at: Date, batch = 100) => {
      const [row] = await as(
        tx,
        'flarewatch_scheduler',
        () => tx`select flarewatch.drop_old_runs(${at}, ${batch}) as dropped`,
      )
      return row?.dropped
    }
    for (const days of [0, 6, 7, 8]) await addRun(tx, ash, COMPLETE, ago(days * DAY_MS))
    const dead = await addRun(tx, ash, DEAD, ago(8 * DAY_MS))
    await drop(NOW, 1)
    await drop(NOW)
    const left =
      await tx`select state from flarewatch.jobs where credential_id = ${ash.credentialId} order by finished_at`
    expect(left.map(({ state }) => state)).toEqual(['dead', 'done', 'done'])
    const counted =
      await tx`select sum(runs)::int as runs from flarewatch.run_counts where credential_id = ${ash.credentialId}`
    expect([...counted]).toEqual([{ runs: 2 }])
    await drop(new Date(NOW.getTime() + 82 * DAY_MS))
    expect([...(await tx`select 1 from flarewatch.jobs where id = ${dead}`)]).toEqual([])
    expect(
      await refusal(tx, 'flarewatch_connector', (inner) => inner`select flarewatch.drop_old_runs(${NOW}, 1)`),
    ).toBe(INSUFFICIENT_PRIVILEGE)
  }))
