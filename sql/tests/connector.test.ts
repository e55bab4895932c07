import { randomUUID } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { SiteId, TenantId } from '../../domain/contracts/ids.ts'
import { saveLook } from '../../workers/connector/findings-store.ts'
import type { Look } from '../../workers/connector/providers/provider.ts'
import { as, asConnector, connectAs, INSUFFICIENT_PRIVILEGE, refusal, rolledBack, type Tx } from './database.ts'
import { AFTER_LEASE, factOf, findingOf, NOW, seedCredential, seedWorld, topOf, type World } from './world.ts'

const sql = connectAs('supabase_admin')
const READABLE = ['credentials', 'sites', 'cursors', 'facts_hourly', 'facts_daily', 'facts_top', 'findings'] as const

function inWorld(act: (tx: Tx, world: World) => Promise<void>): Promise<void> {
  return rolledBack(sql, async (tx) => act(tx, await seedWorld(tx)))
}

async function visible(tx: Tx, jobId: string, at: Date): Promise<Record<string, string[]>> {
  return await asConnector(tx, jobId, at, async () => {
    const seen: Record<string, string[]> = {}
    for (const table of READABLE) {
      const rows = await tx<{ tenant_id: string }[]>`select tenant_id from ${tx(`flarewatch.${table}`)}`
      seen[table] = rows.map(({ tenant_id }) => tenant_id)
    }
    return seen
  })
}

/** The SQLSTATE of a statement that runs with a bound job. */
function refusedFor(tx: Tx, jobId: string, at: Date, act: (tx: Tx) => Promise<unknown>): Promise<string | null> {
  return refusal(tx, 'flarewatch_connector', async (inner) => {
    await inner`select flarewatch.bind_job(${jobId}, ${at})`
    return await act(inner)
  })
}

const onlyOf = (tenantId: string) => Object.fromEntries(READABLE.map((table) => [table, [tenantId]]))
const nothing = Object.fromEntries(READABLE.map((table) => [table, []]))

describe('T4: a leased job opens its own credential’s rows and no others', () => {
  test('it sees one tenant’s rows', () =>
    inWorld(async (tx, { ash }) => {
      expect(await visible(tx, ash.jobId, NOW)).toEqual(onlyOf(ash.id))
    }))

  test('another credential of the same tenant stays closed, with its sites and their facts', () =>
    inWorld(async (tx, { ash }) => {
      const [credential, site] = [randomUUID(), randomUUID()]
      await seedCredential(tx, ash.id, credential, NOW)
      await tx`insert into flarewatch.sites (id, tenant_id, credential_id, provider, provider_ref, name)
        values (${site}, ${ash.id}, ${credential}, 'cloudflare', ${site}, 'other.example')`
      await tx`insert into flarewatch.facts_hourly ${tx(factOf(ash.id, site))}`
      expect(await visible(tx, ash.jobId, NOW)).toEqual(onlyOf(ash.id))
      const store = (inner: Tx) => inner`insert into flarewatch.facts_hourly ${inner(factOf(ash.id, site, 'bytes'))}`
      expect(await refusedFor(tx, ash.jobId, NOW, store)).toBe(INSUFFICIENT_PRIVILEGE)
    }))

  const closed: [string, (tx: Tx, world: World) => Promise<{ jobId: string; at: Date }>][] = [
    ['a job that nobody leased', async () => ({ jobId: randomUUID(), at: NOW })],
    ['a lease that has run out', async (_, { ash }) => ({ jobId: ash.jobId, at: AFTER_LEASE })],
    [
      'a job that has ended',
      async (tx, { ash }) => {
        await tx`update flarewatch.jobs set state = 'done', finished_at = ${NOW} where id = ${ash.jobId}`
        return { jobId: ash.jobId, at: NOW }
      },
    ],
  ]
  for (const [name, arrange] of closed) {
    test(`${name} opens nothing and stores nothing`, () =>
      inWorld(async (tx, world) => {
        const { jobId, at } = await arrange(tx, world)
        const { ash } = world
        expect(await visible(tx, jobId, at)).toEqual(nothing)
        const insert = (inner: Tx) =>
          inner`insert into flarewatch.facts_hourly ${inner(factOf(ash.id, ash.siteId, 'bytes'))}`
        expect(await refusedFor(tx, jobId, at, insert)).toBe(INSUFFICIENT_PRIVILEGE)
        const ended = await asConnector(
          tx,
          jobId,
          at,
          () => tx`
          update flarewatch.jobs set state = 'failed', run_state = 'failed', reason = 'x', finished_at = ${at} where id = ${jobId}`,
        )
        expect(ended.count).toBe(0)
      }))
  }

  test('an unbound transaction sees nothing', () =>
    inWorld(async (tx) => {
      const rows = await as(tx, 'flarewatch_connector', () => tx`select id from flarewatch.jobs`)
      expect(rows).toHaveLength(0)
    }))
})

describe('a poll is stored', () => {
  test('facts, cursor, credential and job, in one transaction', () =>
    inWorld(async (tx, { ash }) => {
      await asConnector(tx, ash.jobId, NOW, async () => {
        await tx`insert into flarewatch.facts_hourly ${tx([factOf(ash.id, ash.siteId), factOf(ash.id, ash.siteId, 'bytes')])}
          on conflict (site_id, metric, window_start, currency) do update set value = 42, completeness = excluded.completeness`
        await tx`insert into flarewatch.cursors (site_id, dataset, tenant_id, complete_until, updated_at)
          values (${ash.siteId}, 'hourly', ${ash.id}, ${AFTER_LEASE}, ${NOW})
          on conflict (site_id, dataset) do update set complete_until = excluded.complete_until, updated_at = excluded.updated_at`
        const held = await tx`select 1 from flarewatch.jobs where id = ${ash.jobId} for share`
        expect(held).toHaveLength(1)
        await tx`update flarewatch.credentials set state = 'active', reason = null, last_used_at = ${NOW}, last_success_at = ${NOW},
          next_poll_at = greatest(next_poll_at, ${AFTER_LEASE}) where id = ${ash.credentialId}`
        const ended =
          await tx`update flarewatch.jobs set state = 'done', run_state = 'complete', reason = null, finished_at = ${NOW}
          where id = ${ash.jobId}`
        expect(ended.count).toBe(1)
      })
      const facts =
        await tx`select metric, value::int as value from flarewatch.facts_hourly where site_id = ${ash.siteId} order by 1`
      expect(facts.slice()).toEqual([
        { metric: 'bytes', value: 41 },
        { metric: 'requests', value: 42 },
      ])
      const [job] = await tx`select state, run_state from flarewatch.jobs where id = ${ash.jobId}`
      expect(job).toEqual({ state: 'done', run_state: 'complete' })
    }))

  test('a rejected token parks the credential', () =>
    inWorld(async (tx, { ash }) => {
      const parked = await asConnector(
        tx,
        ash.jobId,
        NOW,
        () => tx`
        update flarewatch.credentials set state = 'parked', reason = 'provider_unauthorized' where id = ${ash.credentialId}`,
      )
      expect(parked.count).toBe(1)
    }))

  test('T4: a leased job stores nothing under another tenant or another’s site', () =>
    inWorld(async (tx, { ash, birch }) => {
      const forged = [
        factOf(birch.id, birch.siteId, 'bytes'),
        factOf(birch.id, ash.siteId, 'bytes'),
        factOf(ash.id, birch.siteId, 'bytes'),
      ]
      for (const fact of forged) {
        const insert = (inner: Tx) => inner`insert into flarewatch.facts_daily ${inner(fact)}`
        expect(await refusedFor(tx, ash.jobId, NOW, insert)).toBe(INSUFFICIENT_PRIVILEGE)
      }
      for (const [tenantId, siteId] of [
        [birch.id, birch.siteId],
        [birch.id, ash.siteId],
        [ash.id, birch.siteId],
      ] as const) {
        const top = (inner: Tx) =>
          inner`insert into flarewatch.facts_top ${inner({ ...topOf(tenantId, siteId), rank: 2 })}`
        expect(await refusedFor(tx, ash.jobId, NOW, top)).toBe(INSUFFICIENT_PRIVILEGE)
      }
      const cursor = (
        inner: Tx,
      ) => inner`insert into flarewatch.cursors (site_id, dataset, tenant_id, complete_until, updated_at)
        values (${birch.siteId}, 'daily', ${birch.id}, ${NOW}, ${NOW})`
      expect(await refusedFor(tx, ash.jobId, NOW, cursor)).toBe(INSUFFICIENT_PRIVILEGE)
      const others = await asConnector(
        tx,
        ash.jobId,
        NOW,
        () => tx`
        update flarewatch.credentials set reason = 'x' where id = ${birch.credentialId}`,
      )
      expect(others.count).toBe(0)
    }))

  test('T4: it begins and ends findings of its own sites alone, and never changes one that has ended', () =>
    inWorld(async (tx, { ash, birch }) => {
      for (const finding of [findingOf(birch.id, ash.siteId, 'x'), findingOf(ash.id, birch.siteId, 'x')]) {
        const insert = (inner: Tx) => inner`insert into flarewatch.findings ${inner(finding)}`
        expect(await refusedFor(tx, ash.jobId, NOW, insert)).toBe(INSUFFICIENT_PRIVILEGE)
      }
      const resolve = () => tx`update flarewatch.findings set resolved_at = ${NOW}`
      expect((await asConnector(tx, ash.jobId, NOW, resolve)).count).toBe(1)
      expect((await asConnector(tx, ash.jobId, NOW, resolve)).count).toBe(0)
      const rows = await tx`select tenant_id from flarewatch.findings where resolved_at is not null`
      expect(rows.slice()).toEqual([{ tenant_id: ash.id }])
      const move = (inner: Tx) => inner`update flarewatch.findings set first_seen = ${AFTER_LEASE}`
      const erase = (inner: Tx) => inner`delete from flarewatch.findings`
      for (const act of [move, erase]) expect(await refusedFor(tx, ash.jobId, NOW, act)).toBe(INSUFFICIENT_PRIVILEGE)
    }))

  test('findings go a year after they were resolved, and open ones never', () =>
    inWorld(async (tx, { ash }) => {
      await tx`update flarewatch.findings set resolved_at = ${NOW} where tenant_id = ${ash.id}`
      const drop = (at: Date) =>
        as(tx, 'flarewatch_scheduler', () => tx`select flarewatch.drop_old_findings(${at}, 10) as n`)
      const year = 366 * 24 * 3_600_000
      expect((await drop(new Date(NOW.getTime() + year - 48 * 3_600_000))).slice()).toEqual([{ n: 0 }])
      expect((await drop(new Date(NOW.getTime() + year))).slice()).toEqual([{ n: 1 }])
      expect((await drop(new Date(NOW.getTime() + 9 * year))).slice()).toEqual([{ n: 0 }])
    }))

  test('it cannot move a job, a fact or a credential to another owner, nor read a wrap', () =>
    inWorld(async (tx, { ash, birch }) => {
      const attempts = [
        (inner: Tx) => inner`update flarewatch.jobs set credential_id = ${birch.credentialId}`,
        (inner: Tx) => inner`update flarewatch.jobs set lease_until = ${AFTER_LEASE}`,
        (inner: Tx) => inner`update flarewatch.facts_hourly set site_id = ${birch.siteId}`,
        (inner: Tx) => inner`update flarewatch.credentials set tenant_id = ${birch.id}`,
        (inner: Tx) => inner`update flarewatch.credentials set ciphertext = '\\x00'`,
        (inner: Tx) => inner`select wrapped_dek from flarewatch.credentials`,
        (inner: Tx) => inner`select salt from flarewatch.credentials`,
        (inner: Tx) => inner`select 1 from flarewatch.tenant_keys`,
        (inner: Tx) => inner`delete from flarewatch.facts_hourly`,
        (inner: Tx) => inner`insert into flarewatch.sites (id) values (${randomUUID()})`,
      ]
      for (const attempt of attempts) expect(await refusedFor(tx, ash.jobId, NOW, attempt)).toBe(INSUFFICIENT_PRIVILEGE)
    }))
})

describe('a day’s tops', () => {
  test('T4: are taken back by the job of their site alone, and never changed in place', () =>
    inWorld(async (tx, { ash, birch }) => {
      const gone = await asConnector(tx, ash.jobId, NOW, () => tx`delete from flarewatch.facts_top`)
      expect(gone.count).toBe(1)
      expect(await tx`select 1 from flarewatch.facts_top where tenant_id = ${birch.id}`).toHaveLength(1)
      const change = (inner: Tx) => inner`update flarewatch.facts_top set value = 1`
      expect(await refusedFor(tx, ash.jobId, NOW, change)).toBe(INSUFFICIENT_PRIVILEGE)
    }))

  test('V5: hold no path with a query, and the rest has no name', () =>
    inWorld(async (tx, { ash }) => {
      const top = { ...topOf(ash.id, ash.siteId), dimension: 'path' }
      for (const wrong of [
        { key: '/a?token=x' },
        { key: `/${'a'.repeat(200)}` },
        { rank: 0 },
        { rank: 26 },
        { key: null },
      ]) {
        const insert = (inner: Tx) => inner`insert into flarewatch.facts_top ${inner({ ...top, ...wrong })}`
        expect(await refusedFor(tx, ash.jobId, NOW, insert)).toBe('23514')
      }
    }))
})

describe('sites that a key reaches', () => {
  const found = ({ id, credentialId }: World['ash']) => ({
    id: randomUUID(),
    tenant_id: id,
    credential_id: credentialId,
    provider: 'cloudflare',
    provider_ref: 'f'.repeat(32),
    name: 'new.example',
    time_zone: 'UTC',
    found_at: NOW,
  })

  test('are added and retired by their own job', () =>
    inWorld(async (tx, { ash }) => {
      await asConnector(tx, ash.jobId, NOW, async () => {
        await tx`insert into flarewatch.sites ${tx(found(ash))} on conflict do nothing`
        const retired = await tx`update flarewatch.sites set removed_at = ${NOW} where name <> 'new.example'`
        expect(retired.count).toBe(1)
        expect(await tx`select 1 from flarewatch.sites where found_at = ${NOW}`).toHaveLength(1)
      })
    }))

  test('T4: are nobody else’s: no other tenant’s, credential’s, provider’s or time’s', () =>
    inWorld(async (tx, { ash, birch }) => {
      const other = randomUUID()
      await seedCredential(tx, ash.id, other, NOW)
      const forged = [
        { tenant_id: birch.id, credential_id: birch.credentialId },
        { credential_id: other },
        { provider: 'stripe' },
        { found_at: AFTER_LEASE },
      ]
      for (const wrong of forged) {
        const insert = (inner: Tx) => inner`insert into flarewatch.sites ${inner({ ...found(ash), ...wrong })}`
        expect(await refusedFor(tx, ash.jobId, NOW, insert)).toBe(INSUFFICIENT_PRIVILEGE)
      }
      const late = (inner: Tx) => inner`insert into flarewatch.sites ${inner({ ...found(ash), found_at: AFTER_LEASE })}`
      expect(await refusedFor(tx, ash.jobId, AFTER_LEASE, late)).toBe(INSUFFICIENT_PRIVILEGE)
      const moved = (inner: Tx) => inner`update flarewatch.sites set credential_id = ${birch.credentialId}`
      expect(await refusedFor(tx, ash.jobId, NOW, moved)).toBe(INSUFFICIENT_PRIVILEGE)
      const others = await asConnector(
        tx,
        ash.jobId,
        NOW,
        () => tx`update flarewatch.sites set removed_at = ${NOW} where tenant_id = ${birch.id}`,
      )
      expect(others.count).toBe(0)
    }))
})

describe('what a look at a site found', () => {
  const minute = (minutes: number) => new Date(NOW.getTime() + minutes * 60_000)
  const stored = async (tx: Tx, siteId: string) => {
    const rows = await tx<{ line: string }[]>`
      select concat_ws(' ', kind, subject, level, detail, extract(epoch from first_seen - ${NOW})::int / 60,
        extract(epoch from last_seen - ${NOW})::int / 60, extract(epoch from resolved_at - ${NOW})::int / 60) as line
      from flarewatch.findings where site_id = ${siteId} order by kind, subject, first_seen`
    return rows.map(({ line }) => line)
  }

  test('begins, is seen again, ends and begins anew; a look that was cut short or comes late ends nothing', () =>
    inWorld(async (tx, { ash }) => {
      await tx`delete from flarewatch.findings`
      const look = async (minutes: number, slow: readonly string[], whole: Look['whole'] = ['slow_statement']) => {
        const findings = slow.map((subject) => ({ kind: 'slow_statement' as const, subject, detail: `at ${minutes}` }))
        const at = minute(minutes).getTime()
        await asConnector(tx, ash.jobId, NOW, () =>
          saveLook(
            tx,
            { tenant_id: TenantId.parse(ash.id), provider: 'supabase' },
            {
              ...{ siteId: SiteId.parse(ash.siteId), findings, whole, at },
            },
          ),
        )
        return stored(tx, ash.siteId)
      }
      const line = (subject: string, detail: number, times: string) =>
        `slow_statement ${subject} warning at ${detail} ${times}`
      expect(await look(1, ['1', '2'])).toEqual([line('1', 1, '1 1'), line('2', 1, '1 1')])
      expect(await look(2, ['2'], [])).toEqual([line('1', 1, '1 1'), line('2', 2, '1 2')])
      expect(await look(3, ['2'], ['no_primary_key'])).toEqual([line('1', 1, '1 1'), line('2', 3, '1 3')])
      expect(await look(4, ['2'])).toEqual([line('1', 1, '1 1 4'), line('2', 4, '1 4')])
      const late = [line('1', 1, '1 1 4'), line('2', 4, '1 4')]
      expect(await look(3, ['1'])).toEqual(late)
      expect(await look(4, ['2'])).toEqual(late)
      expect(await look(5, ['1', '2'])).toEqual([line('1', 1, '1 1 4'), line('1', 5, '5 5'), line('2', 5, '1 5')])
    }))
})

describe('a refused message is recorded', () => {
  test('as an incident in the connector’s own name, with or without a tenant', () =>
    inWorld(async (tx, { ash }) => {
      for (const tenant of [ash.id, null]) {
        const raise = (inner: Tx) => inner`insert into flarewatch.incidents (id, tenant_id, kind, seq, part, detail, at)
          values (${randomUUID()}, ${tenant}, 'queue_message_refused', null, 'connector', ${inner.json({ job: 'x' })}, ${NOW})`
        expect(await refusal(tx, 'flarewatch_connector', raise)).toBeNull()
      }
    }))

  test('in nobody else’s name, and none can be read back or changed', () =>
    inWorld(async (tx, { ash }) => {
      const forge = (inner: Tx) => inner`insert into flarewatch.incidents (id, tenant_id, kind, part, at)
        values (${randomUUID()}, ${ash.id}, 'ledger_behind', 'verifier', ${NOW})`
      for (const role of ['flarewatch_connector', 'flarewatch_vault', 'flarewatch_ledger'] as const) {
        expect(await refusal(tx, role, forge)).toBe(INSUFFICIENT_PRIVILEGE)
        expect(await refusal(tx, role, (inner) => inner`select kind from flarewatch.incidents`)).toBe(
          INSUFFICIENT_PRIVILEGE,
        )
        expect(
          await refusal(tx, role, (inner) => inner`update flarewatch.incidents set acknowledged_at = ${NOW}`),
        ).toBe(INSUFFICIENT_PRIVILEGE)
      }
    }))
})
