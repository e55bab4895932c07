import { randomUUID } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { Provider } from '../../domain/contracts/providers.ts'
import { POLL_SECONDS, Tier } from '../../domain/contracts/tiers.ts'
import { PROVIDERS } from '../../domain/providers/registry.ts'
import { as, connectAs, INSUFFICIENT_PRIVILEGE, refusal, rolledBack, type Tx } from './database.ts'
import { AFTER_LEASE, NOW, seedCredential, seedWorld, type World } from './world.ts'

const sql = connectAs('supabase_admin')
const LEASE_SECONDS = 300
const MAX_ATTEMPTS = 5

type Claimed = { readonly job_id: string; readonly credential_id: string; readonly attempt: number }

function inWorld(act: (tx: Tx, world: World) => Promise<void>): Promise<void> {
  return rolledBack(sql, async (tx) => act(tx, await seedWorld(tx)))
}

async function claim(tx: Tx, at: Date, batch = 100): Promise<Claimed[]> {
  const rows = await as(
    tx,
    'flarewatch_scheduler',
    () => tx<Claimed[]>`
    select job_id, credential_id, attempt from flarewatch.claim_due(${at}, ${LEASE_SECONDS}, ${batch})`,
  )
  return rows.slice()
}

async function endJobs(tx: Tx): Promise<void> {
  await tx`update flarewatch.jobs set state = 'done', finished_at = ${NOW} where state = 'leased'`
}

describe('claiming due credentials', () => {
  test('a due credential gets one leased job and its next due time', () =>
    inWorld(async (tx, { ash, birch }) => {
      await endJobs(tx)
      const claimed = await claim(tx, NOW)
      expect(claimed.map(({ credential_id }) => credential_id).sort()).toEqual(
        [ash.credentialId, birch.credentialId].sort(),
      )
      expect(claimed.every(({ attempt }) => attempt === 1)).toBe(true)
      const [job] =
        await tx`select tenant_id, state, lease_until from flarewatch.jobs where credential_id = ${ash.credentialId} and state = 'leased'`
      expect(job).toEqual({
        tenant_id: ash.id,
        state: 'leased',
        lease_until: new Date(NOW.getTime() + LEASE_SECONDS * 1000),
      })
      const [credential] = await tx`select next_poll_at from flarewatch.credentials where id = ${ash.credentialId}`
      const wait = credential?.next_poll_at.getTime() - NOW.getTime()
      expect(wait).toBeLessThanOrEqual(300_000)
      expect(wait).toBeGreaterThan(270_000)
      expect(await claim(tx, NOW)).toEqual([])
    }))

  test('a credential that is polled now, parked or not yet due is left alone', () =>
    inWorld(async (tx, { ash, birch }) => {
      expect(await claim(tx, NOW)).toEqual([])
      await endJobs(tx)
      await tx`update flarewatch.credentials set state = 'parked' where id = ${ash.credentialId}`
      await tx`update flarewatch.credentials set next_poll_at = ${AFTER_LEASE} where id = ${birch.credentialId}`
      expect(await claim(tx, NOW)).toEqual([])
    }))

  test.each(Tier.options)('a credential of tier %s is due again when the domain says, up to a tenth sooner', (tier) =>
    inWorld(async (tx, { ash }) => {
      await endJobs(tx)
      await tx`update flarewatch.tenants set tier = ${tier} where id = ${ash.id}`
      const waits = await tx<{ seconds: number }[]>`
        select extract(epoch from flarewatch.next_poll(${ash.id}, gen_random_uuid(), ${NOW}) - ${NOW})::float as seconds
        from generate_series(1, 200)`
      const [least, most] = [
        Math.min(...waits.map(({ seconds }) => seconds)),
        Math.max(...waits.map(({ seconds }) => seconds)),
      ]
      expect(most).toBeLessThanOrEqual(POLL_SECONDS[tier])
      expect(least).toBeGreaterThan(POLL_SECONDS[tier] * 0.9)
      expect(most - least).toBeGreaterThan(POLL_SECONDS[tier] * 0.05)
    }),
  )

  test.each(Provider.options)(
    'a key of %s with fifty sites waits until half of its quota allows the next poll',
    (provider) =>
      inWorld(async (tx, { ash }) => {
        await tx`update flarewatch.tenants set tier = 'agency' where id = ${ash.id}`
        await tx`
        insert into flarewatch.sites (id, tenant_id, credential_id, provider, provider_ref, name, time_zone, removed_at)
        select gen_random_uuid(), ${ash.id}, ${ash.credentialId}, ${provider}, 'many' || place, 'many' || place, 'UTC',
          case when place > 50 then ${NOW}::timestamptz end
        from generate_series(1, 60) as place`
        await tx`update flarewatch.sites set removed_at = ${NOW} where name not like 'many%'`
        const [row] = await tx<{ seconds: number }[]>`
        select extract(epoch from flarewatch.next_poll(${ash.id}, ${ash.credentialId}, ${NOW}) - ${NOW})::float as seconds`
        const spaced = Math.max(POLL_SECONDS.agency, 50 * PROVIDERS[provider].secondsPerSite)
        expect(row?.seconds).toBeLessThanOrEqual(spaced)
        expect(row?.seconds).toBeGreaterThan(spaced * 0.9)
      }),
  )

  test('tenants take turns: whoever has few is served with the first batch, however many another has waiting longer', () =>
    inWorld(async (tx, { ash, birch }) => {
      await endJobs(tx)
      await tx`update flarewatch.credentials set next_poll_at = ${NOW} where id = ${birch.credentialId}`
      for (let site = 0; site < 30; site += 1) {
        await seedCredential(tx, ash.id, randomUUID(), new Date(NOW.getTime() - 3_600_000))
      }
      const first = await claim(tx, NOW, 10)
      expect(first).toHaveLength(10)
      expect(first.map(({ credential_id }) => credential_id)).toContain(birch.credentialId)
    }))

  test('a batch is bounded, and the longest due comes first', () =>
    inWorld(async (tx, { ash }) => {
      await endJobs(tx)
      const oldest = randomUUID()
      await seedCredential(tx, ash.id, oldest, new Date(NOW.getTime() - 60_000))
      expect((await claim(tx, NOW, 1)).map(({ credential_id }) => credential_id)).toEqual([oldest])
    }))

  test('a lease that ran out is leased again under the same job id', () =>
    inWorld(async (tx, { ash, birch }) => {
      const claimed = await claim(tx, AFTER_LEASE)
      expect(claimed.map(({ job_id }) => job_id).sort()).toEqual([ash.jobId, birch.jobId].sort())
      expect(claimed.every(({ attempt }) => attempt === 2)).toBe(true)
      expect(await claim(tx, AFTER_LEASE)).toEqual([])
    }))

  test(`a job lost ${MAX_ATTEMPTS} times is dead with the reason, and its credential can be polled again`, () =>
    inWorld(async (tx, { ash, birch }) => {
      await tx`update flarewatch.jobs set state = 'done', finished_at = ${NOW} where id = ${birch.jobId}`
      await tx`update flarewatch.credentials set next_poll_at = 'infinity' where id = ${birch.credentialId}`
      await tx`update flarewatch.jobs set attempt = ${MAX_ATTEMPTS} where id = ${ash.jobId}`
      const claimed = await claim(tx, AFTER_LEASE)
      const [dead] =
        await tx`select state, run_state, reason, finished_at, attempt from flarewatch.jobs where id = ${ash.jobId}`
      expect(dead).toEqual({
        state: 'dead',
        run_state: 'failed',
        reason: 'lease_expired',
        finished_at: AFTER_LEASE,
        attempt: MAX_ATTEMPTS,
      })
      expect(claimed).toEqual([{ job_id: expect.any(String), credential_id: ash.credentialId, attempt: 1 }])
      expect(claimed[0]?.job_id).not.toBe(ash.jobId)
    }))
})

describe('two schedulers at once', () => {
  /** Commits, since one transaction cannot race itself. Audit rows stay; the credentials are put out of the other tests' way. */
  async function withCommittedWorld(act: (credentials: readonly string[]) => Promise<void>): Promise<void> {
    const { ash, birch } = await sql.begin((tx) => seedWorld(tx))
    const credentials = [ash.credentialId, birch.credentialId]
    const finishJobs = () => sql`
      update flarewatch.jobs set state = 'done', finished_at = ${NOW}
      where credential_id in ${sql(credentials)} and state = 'leased'`
    try {
      await finishJobs()
      await act(credentials)
    } finally {
      await finishJobs()
      await sql`update flarewatch.credentials set state = 'parked' where id in ${sql(credentials)}`
    }
  }
  const schedulers = connectAs('flarewatch_scheduler', 4)
  const claimOwn = async (credentials: readonly string[]): Promise<string[]> => {
    const rows = await schedulers<Claimed[]>`select * from flarewatch.claim_due(${NOW}, ${LEASE_SECONDS}, 100)`
    return rows.map(({ credential_id }) => credential_id).filter((id) => credentials.includes(id))
  }

  test('share the due credentials without sharing one', () =>
    withCommittedWorld(async (credentials) => {
      const claimed = await Promise.all(Array.from({ length: 4 }, () => claimOwn(credentials)))
      expect(claimed.flat().sort()).toEqual([...credentials].sort())
    }))

  test('do not wait for each other: what one is claiming the other leaves out', () =>
    withCommittedWorld(async (credentials) => {
      const [first = '', second] = credentials
      await sql.begin(async (tx) => {
        await tx`select 1 from flarewatch.credentials where id = ${first} for update`
        expect(await claimOwn(credentials)).toEqual([second])
      })
      expect(await claimOwn(credentials)).toEqual([first])
    }))
})

describe('T4: the scheduler knows ids and due times only', () => {
  test('it reads no label, no sealed byte, no site and no fact', () =>
    inWorld(async (tx) => {
      const reads = [
        (inner: Tx) => inner`select label from flarewatch.credentials`,
        (inner: Tx) => inner`select ciphertext from flarewatch.credentials`,
        (inner: Tx) => inner`select wrapped_dek from flarewatch.credentials`,
        (inner: Tx) => inner`select 1 from flarewatch.sites`,
        (inner: Tx) => inner`select 1 from flarewatch.facts_hourly`,
        (inner: Tx) => inner`select 1 from flarewatch.tenants`,
        (inner: Tx) => inner`select intent_row from flarewatch.jobs`,
      ]
      for (const read of reads) expect(await refusal(tx, 'flarewatch_scheduler', read)).toBe(INSUFFICIENT_PRIVILEGE)
    }))

  test('it neither revives an ended job nor un-parks a credential', () =>
    inWorld(async (tx, { ash }) => {
      await endJobs(tx)
      await tx`update flarewatch.credentials set state = 'parked' where id = ${ash.credentialId}`
      const revived = await as(
        tx,
        'flarewatch_scheduler',
        () => tx`update flarewatch.jobs set state = 'leased', finished_at = null where id = ${ash.jobId}`,
      )
      expect(revived.count).toBe(0)
      const moved = await as(
        tx,
        'flarewatch_scheduler',
        () => tx`update flarewatch.credentials set next_poll_at = ${NOW} where id = ${ash.credentialId}`,
      )
      expect(moved.count).toBe(0)
      const unpark = (inner: Tx) => inner`update flarewatch.credentials set state = 'active'`
      expect(await refusal(tx, 'flarewatch_scheduler', unpark)).toBe(INSUFFICIENT_PRIVILEGE)
    }))
})
