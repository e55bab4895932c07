import { randomBytes, randomUUID } from 'node:crypto'
import { afterAll, describe, expect, test } from 'vitest'
import { JobId, SiteId, TenantId } from '../../domain/contracts/ids.ts'
import { FOLDS } from '../../domain/metrics/aggregation.fixture.ts'
import { aggregate, type MetricName, rollupOf } from '../../domain/metrics/definitions.ts'
import { hoursKeptFrom, utcDay } from '../../domain/metrics/retention.ts'
import { upsertFacts } from '../../workers/connector/facts-store.ts'
import { JobStore, type LeasedJob } from '../../workers/connector/job-store.ts'
import type { Chunk, Fact } from '../../workers/connector/providers/provider.ts'
import { as, asConnector, connectAs, refusal, rolledBack, type Tx } from './database.ts'
import { LEASE_END, NOW, seedCredential, seedWorld, type Tenant } from './world.ts'

const sql = connectAs('supabase_admin')
const HOUR = 3_600_000
const DAY = 24 * HOUR
const TODAY = utcDay(NOW.getTime())

function inAsh(act: (tx: Tx, ash: Tenant) => Promise<void>): Promise<void> {
  return rolledBack(sql, async (tx) => {
    const { ash } = await seedWorld(tx)
    await act(tx, ash)
  })
}

function hour(windowStart: number, value: number, more: Partial<Fact> = {}): Fact {
  const window = { windowStart, windowEnd: windowStart + HOUR }
  const counted = { unit: 'count', currency: null, sampling: 1, completeness: 'complete', source: 'cf.hours' } as const
  return { metric: 'visits', ...window, ...counted, value, ...more }
}

function store(tx: Tx, ash: Tenant, facts: readonly Fact[], more: Partial<Chunk> = {}): Promise<void> {
  const chunk: Chunk = {
    siteId: SiteId.parse(ash.siteId),
    dataset: 'hourly',
    facts,
    completeUntil: null,
    fetchedAt: NOW.getTime(),
    ...more,
  }
  const owner = { tenant_id: TenantId.parse(ash.id), provider: 'cloudflare' }
  return asConnector(tx, ash.jobId, NOW, () => upsertFacts(tx, owner, chunk))
}

async function days(tx: Tx, ash: Tenant, metric: MetricName = 'visits') {
  const rows = await tx`
    select window_start, window_end, value::float8 as value, source, fetched_at, sampling::float8 as sampling, completeness,
      corrected_at, previous_value::float8 as previous_value
    from flarewatch.facts_daily where site_id = ${ash.siteId} and metric = ${metric} order by window_start`
  return rows.map((row) => ({ ...row }))
}

/** Numbers that are the same each time. */
function sequence(seed: number): (below: number) => number {
  let state = seed
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return Math.floor((state / 2 ** 32) * below)
  }
}

describe('a day that the provider gives by the hour alone', () => {
  test('is its hours, with their source, the least exact sampling and the newest fetch; complete with all 24', () =>
    inAsh(async (tx, ash) => {
      const yesterday = TODAY - DAY
      const hours = Array.from({ length: 23 }, (_, index) => hour(yesterday + index * HOUR, index + 1))
      await store(tx, ash, hours, { fetchedAt: TODAY })
      const made = { window_start: new Date(yesterday), window_end: new Date(TODAY), source: 'rollup:cf.hours' }
      const unmarked = { corrected_at: null, previous_value: null }
      const partial = {
        ...made,
        ...unmarked,
        value: 276,
        sampling: 1,
        fetched_at: new Date(TODAY),
        completeness: 'partial',
      }
      expect(await days(tx, ash)).toEqual([partial])
      await store(tx, ash, [hour(yesterday + 23 * HOUR, 24, { sampling: 2.5 })])
      const complete = { ...partial, value: 300, sampling: 2.5, fetched_at: NOW, completeness: 'complete' }
      expect(await days(tx, ash)).toEqual([complete])
      await store(tx, ash, [hour(yesterday + 5 * HOUR, 6, { completeness: 'partial' })])
      expect(await days(tx, ash)).toMatchObject([{ value: 300, completeness: 'partial' }])
    }))

  test('folds its hours as the domain does', () =>
    inAsh(async (tx, ash) => {
      for (const [index, [aggregation, values]] of FOLDS.entries()) {
        const day = TODAY - (index + 1) * DAY
        const hours = values.map((value, at) => hour(day + at * HOUR, value))
        await store(tx, ash, hours.reverse())
        await tx`update flarewatch.facts_hourly set rollup = ${aggregation} where metric = 'visits' and window_start >= ${new Date(day)}
          and window_start < ${new Date(day + DAY)}`
        await tx`select flarewatch.roll_up(${ash.siteId}, array['visits'], array[${new Date(day)}::timestamptz])`
      }
      const made = await days(tx, ash)
      expect(made.map(({ value }) => value)).toEqual(FOLDS.map(([, , expected]) => expected).reverse())
    }))

  test('is never made over a day that the provider gave itself, and gives way to one', () =>
    inAsh(async (tx, ash) => {
      const given = { windowEnd: TODAY, source: 'cf.days' }
      await store(tx, ash, [hour(TODAY - DAY, 9, given)], { dataset: 'daily' })
      await store(tx, ash, [hour(TODAY - DAY, 4), hour(TODAY - 2 * DAY, 5)])
      await store(tx, ash, [hour(TODAY - DAY, 4, { metric: 'requests' })])
      expect(await days(tx, ash)).toMatchObject([
        { value: 5, source: 'rollup:cf.hours' },
        { value: 9, source: 'cf.days' },
      ])
      await store(tx, ash, [hour(TODAY - 2 * DAY, 8, { ...given, windowEnd: TODAY - DAY })], { dataset: 'daily' })
      expect(await days(tx, ash)).toMatchObject([{ value: 8, source: 'cf.days', corrected_at: null }, { value: 9 }])
      expect((await days(tx, ash, 'requests')).map(({ source }) => source)).not.toContain('rollup:cf.hours')
    }))

  test.each([1, 2, 3])(
    'is the fold of what is stored, in whatever order hours come, come again and are corrected (seed %d)',
    (seed) =>
      inAsh(async (tx, ash) => {
        const below = sequence(seed)
        const metrics = ['visits', 'database_connections'] as const
        for (let round = 0; round < 25; round += 1) {
          const first = TODAY - (1 + below(4 * 24)) * HOUR
          const facts = Array.from({ length: 1 + below(30) }, (_, index) => ({
            ...hour(first - index * HOUR, below(1000), { completeness: below(4) === 0 ? 'partial' : 'complete' }),
            metric: metrics[below(2)] ?? 'visits',
          }))
          // Now and then an old reply that comes late.
          await store(tx, ash, facts, { fetchedAt: NOW.getTime() + (round - below(3)) * 1000 })
          if (round % 5 === 0) await store(tx, ash, facts, { fetchedAt: NOW.getTime() + (round - below(3)) * 1000 })
        }
        for (const metric of metrics) {
          expect(rollupOf(metric)).not.toBeNull()
          const stored = await tx`
          select window_start, value::float8 as value, completeness from flarewatch.facts_hourly
          where site_id = ${ash.siteId} and metric = ${metric} order by window_start`
          const byDay = Map.groupBy(stored, ({ window_start }) => utcDay(window_start.getTime()))
          const folded = [...byDay].map(([day, hours]) => ({
            window_start: new Date(day),
            value: aggregate(
              metric,
              hours.map(({ value }) => value),
            ),
            completeness:
              hours.filter(({ completeness }) => completeness === 'complete').length === 24 ? 'complete' : 'partial',
          }))
          expect(folded.length).toBeGreaterThan(3)
          expect(await days(tx, ash, metric)).toMatchObject(folded)
        }
      }),
  )
})

describe('a figure that was final and changed', () => {
  const first = TODAY - DAY
  const marks = async (tx: Tx, ash: Tenant) => {
    const rows = await tx`
      select value::float8 as value, corrected_at, previous_value::float8 as previous_value from flarewatch.facts_hourly
      where site_id = ${ash.siteId} and metric = 'visits' order by window_start limit 1`
    return { ...rows[0] }
  }
  const at = (seconds: number) => NOW.getTime() + seconds * 1000

  test('is replaced, and says when and what it was; so does its day', () =>
    inAsh(async (tx, ash) => {
      const day = Array.from({ length: 24 }, (_, index) => hour(first + index * HOUR, 10))
      await store(tx, ash, day)
      await store(tx, ash, day, { fetchedAt: at(1) })
      expect(await days(tx, ash)).toMatchObject([{ value: 240, corrected_at: null, previous_value: null }])
      await store(tx, ash, [hour(first, 13)], { fetchedAt: at(2) })
      expect(await marks(tx, ash)).toEqual({ value: 13, corrected_at: new Date(at(2)), previous_value: 10 })
      expect(await days(tx, ash)).toMatchObject([{ value: 243, corrected_at: new Date(at(2)), previous_value: 240 }])
      // The same again, and an older reply, leave the mark as it is.
      await store(tx, ash, [hour(first, 13)], { fetchedAt: at(3) })
      await store(tx, ash, [hour(first, 99)], { fetchedAt: at(1) })
      expect(await days(tx, ash)).toMatchObject([{ value: 243, corrected_at: new Date(at(2)), previous_value: 240 }])
      await store(tx, ash, [hour(first, 12)], { fetchedAt: at(4) })
      expect(await days(tx, ash)).toMatchObject([{ value: 242, corrected_at: new Date(at(4)), previous_value: 243 }])
    }))

  test.each([
    ['a partial window that fills up', { completeness: 'partial' } as const, at(0)],
    ['a reading from before its window ended', {}, first + HOUR / 2],
  ])('is none where it was %s', (_, more, fetchedAt) =>
    inAsh(async (tx, ash) => {
      await store(tx, ash, [hour(first, 10, more)], { fetchedAt })
      await store(tx, ash, [hour(first, 13)], { fetchedAt: at(1) })
      expect(await marks(tx, ash)).toEqual({ value: 13, corrected_at: null, previous_value: null })
    }),
  )
})

describe('hours older than 90 days', () => {
  // Noon in the middle of last month: the line then lies within a month, whenever this runs.
  const noon = Date.UTC(NOW.getUTCFullYear(), NOW.getUTCMonth() - 1, 15, 12)
  const keptFrom = hoursKeptFrom(noon)
  const pastMonth = keptFrom - 62 * DAY
  const step = async (tx: Tx, batch = 1000) => {
    const [row] = await as(tx, 'flarewatch_verifier', () => {
      return tx`select dropped, removed, held from flarewatch.prune_hours(${new Date(noon)}, ${batch})`
    })
    return { dropped: row?.dropped, removed: row?.removed, held: row?.held }
  }
  /** All steps of a night: rows by batch, and months of which the first are those that a new installation opens. */
  async function prune(tx: Tx, batch: number) {
    const months: string[] = []
    const batches: number[] = []
    for (;;) {
      const { dropped, removed, held } = await step(tx, batch)
      if (dropped !== null) months.push(dropped)
      else if (removed > 0) batches.push(removed)
      else return { months, batches, held }
    }
  }
  const leafOf = (at: number) => `facts_hourly_${new Date(at).toISOString().slice(0, 7).replace('-', '')}`
  const starts = async (tx: Tx) =>
    (await tx`select distinct window_start from flarewatch.facts_hourly where metric = 'visits' order by 1`).map(
      (row) => row.window_start.getTime(),
    )

  test('go, whole months first and then in batches; their day stays, and the second time nothing is left to do', () =>
    inAsh(async (tx, ash) => {
      for (const start of [pastMonth, keptFrom - DAY, keptFrom]) {
        await store(tx, ash, [hour(start, 3), hour(start + HOUR, 4)], { fetchedAt: start + DAY })
      }
      const before = await days(tx, ash)
      expect(before.map(({ value }) => value)).toEqual([7, 7, 7])
      const { months, ...rest } = await prune(tx, 1)
      expect(rest).toEqual({ batches: [1, 1], held: 0 })
      expect(months).toContain(leafOf(pastMonth))
      expect(months).not.toContain(leafOf(keptFrom))
      expect(await starts(tx)).toEqual([keptFrom, keptFrom + HOUR])
      expect(await days(tx, ash)).toEqual(before)
      expect(await prune(tx, 1)).toEqual({ months: [], batches: [], held: 0 })
    }))

  test('do not come back, so that no day is made of what is left of one', () =>
    inAsh(async (tx, ash) => {
      await store(tx, ash, [hour(keptFrom - HOUR, 1), hour(keptFrom, 5)], { fetchedAt: noon })
      expect(await starts(tx)).toEqual([keptFrom])
      expect(await days(tx, ash)).toMatchObject([{ window_start: new Date(keptFrom), value: 5 }])
    }))

  test('stay, with their month, until their day is made of them; those whose days the provider gives go', () =>
    inAsh(async (tx, ash) => {
      const hours = [hour(pastMonth, 3), hour(pastMonth, 5, { metric: 'requests' })]
      await store(tx, ash, hours, { fetchedAt: pastMonth + DAY })
      await tx`delete from flarewatch.facts_daily where metric = 'visits'`
      const held = await prune(tx, 1000)
      expect(held).toMatchObject({ batches: [1], held: 1 })
      expect(held.months).not.toContain(leafOf(pastMonth))
      expect(await starts(tx)).toEqual([pastMonth])
      await tx`select flarewatch.roll_up(${ash.siteId}, array['visits'], array[${new Date(utcDay(pastMonth))}::timestamptz])`
      expect(await prune(tx, 1000)).toEqual({ months: [leafOf(pastMonth)], batches: [], held: 0 })
      expect(await days(tx, ash)).toMatchObject([{ value: 3 }])
    }))

  test.each(['flarewatch_connector', 'flarewatch_gateway', 'flarewatch_scheduler', 'anon', 'service_role'] as const)(
    'T4: are not for %s to remove',
    (role) =>
      inAsh(async (tx) => {
        expect(await refusal(tx, role, (inner) => inner`select flarewatch.prune_hours(${NOW}, 10)`)).toBe('42501')
      }),
  )

  test.each([0, -1, 100_001, null])('are not removed in batches of %s (FW134)', (batch) =>
    inAsh(async (tx) => {
      const prune = (inner: Tx) => inner`select flarewatch.prune_hours(${NOW}, ${batch})`
      expect(await refusal(tx, 'flarewatch_verifier', prune)).toBe('FW134')
    }),
  )
})

/** These commit, since one transaction can neither race itself nor be broken off. */
describe('facts, their day and the cursor', () => {
  const connectors = connectAs('flarewatch_connector', 2)
  const tenantId = randomUUID()
  const siteId = SiteId.parse(randomUUID())
  const jobId = JobId.parse(randomUUID())
  const day = TODAY - DAY
  afterAll(async () => {
    for (const table of [
      'facts_hourly',
      'facts_daily',
      'cursors',
      'jobs',
      'sites',
      'credentials',
      'tenant_keys',
    ] as const) {
      await sql`delete from ${sql(`flarewatch.${table}`)} where tenant_id = ${tenantId}`
    }
    await sql`delete from flarewatch.tenants where id = ${tenantId}`
  })

  async function lease(): Promise<{ store: JobStore; job: LeasedJob }> {
    await sql.begin(async (tx) => {
      const credentialId = randomUUID()
      await tx`insert into flarewatch.tenants (id, name, state, activated_at) values (${tenantId}, 'Racing', 'active', ${NOW})`
      await tx`insert into flarewatch.tenant_keys (tenant_id, version, kek_version, wrapped_dek)
        values (${tenantId}, 1, 1, ${randomBytes(60)})`
      await seedCredential(tx, tenantId, credentialId, NOW)
      await tx`insert into flarewatch.sites (id, tenant_id, credential_id, provider, provider_ref, name)
        values (${siteId}, ${tenantId}, ${credentialId}, 'cloudflare', 'zone', 'racing.example')`
      await tx`insert into flarewatch.jobs (id, tenant_id, credential_id, lease_until, created_at)
        values (${jobId}, ${tenantId}, ${credentialId}, ${LEASE_END}, ${NOW})`
      await tx`insert into flarewatch.cursors (site_id, dataset, tenant_id, complete_until, updated_at)
        values (${siteId}, 'hourly', ${tenantId}, ${new Date(day)}, ${NOW})`
    })
    const store = new JobStore(connectors, async () => NOW.getTime())
    return { store, job: (await store.leased(jobId)) ?? expect.fail() }
  }
  async function stored() {
    const [row] = await sql`
      select (select count(*)::int from flarewatch.facts_hourly where site_id = ${siteId}) as hours,
        (select value::int from flarewatch.facts_daily where site_id = ${siteId}) as day,
        (select complete_until from flarewatch.cursors where site_id = ${siteId}) as cursor`
    return { ...row }
  }
  async function waiting(count: number): Promise<number[]> {
    for (;;) {
      const rows = await sql<{ pid: number }[]>`
        select pid from pg_stat_activity where usename = 'flarewatch_connector' and wait_event_type = 'Lock'`
      if (rows.length >= count) return rows.map(({ pid }) => pid)
      await new Promise((passed) => setTimeout(passed, 5))
    }
  }
  const chunkOf = (at: number, value: number, completeUntil: number | null): Chunk => {
    return { siteId, dataset: 'hourly', facts: [hour(at, value)], completeUntil, fetchedAt: NOW.getTime() }
  }
  const holder = connectAs('supabase_admin')
  /** Whoever stores has written facts and day then, and waits for the cursor. */
  const whileCursorIsHeld = (act: () => Promise<void>) =>
    holder.begin(async (tx) => {
      await tx`select from flarewatch.cursors where site_id = ${siteId} for update`
      await act()
    })

  test('L1: are stored together or not at all, and no two who store hours of one day miss the other’s', async () => {
    const { store, job } = await lease()
    await whileCursorIsHeld(async () => {
      const broken = store.store(job, chunkOf(day, 7, day + HOUR)).catch(() => 'broken off')
      for (const pid of await waiting(1)) await sql`select pg_cancel_backend(${pid})`
      expect(await broken).toBe('broken off')
    })
    expect(await stored()).toEqual({ hours: 0, day: null, cursor: new Date(day) })

    let both: Promise<unknown> = Promise.resolve()
    await whileCursorIsHeld(async () => {
      const poll = store.store(job, chunkOf(day, 7, day + HOUR))
      await waiting(1)
      const backfill = store.store(job, chunkOf(day + HOUR, 5, null))
      both = Promise.all([poll, backfill])
      await waiting(2)
    })
    await both
    expect(await stored()).toEqual({ hours: 2, day: 12, cursor: new Date(day + HOUR) })
  })
})
