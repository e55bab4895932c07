import { randomBytes, randomUUID } from 'node:crypto'
import postgres from 'postgres'
import { describe, expect, test } from 'vitest'
import { HISTORY_MS } from '../../domain/backfill/retention.ts'
import {
  as,
  asGateway,
  connectAs,
  countVisible,
  INSUFFICIENT_PRIVILEGE,
  type Role,
  refusal,
  rolledBack,
  type Tx,
} from './database.ts'
import { AFTER_LEASE, NOW, seedCredential, seedWorld, type Tenant, type World } from './world.ts'

const sql = connectAs('supabase_admin')
const DAY = 86_400_000
const later = (milliseconds: number) => new Date(NOW.getTime() + milliseconds)
const day = (at: Date) => at.toISOString().slice(0, 10)

const planOf = ({ id, siteId }: Tenant, changed: Record<string, unknown> = {}) => ({
  tenant_id: id,
  site_id: siteId,
  dataset: 'daily',
  kind: 'connect',
  until: NOW,
  done_from: NOW,
  next_at: NOW,
  created_at: NOW,
  updated_at: NOW,
  ...changed,
})

/** Each agency's site has its two histories planned. */
function inWorld(act: (tx: Tx, world: World) => Promise<void>): Promise<void> {
  return rolledBack(sql, async (tx) => {
    const world = await seedWorld(tx)
    for (const tenant of [world.ash, world.birch]) {
      for (const dataset of ['hourly', 'daily']) {
        await tx`insert into flarewatch.backfills ${tx(planOf(tenant, { dataset }))}`
      }
    }
    await act(tx, world)
  })
}

const seenBy = (tx: Tx, claims: Parameters<typeof asGateway>[1]) =>
  asGateway(tx, claims, () => countVisible(tx, 'backfills'))

/** The SQLSTATE of what the connector does for a job, or null. */
const refusedFor = (tx: Tx, jobId: string, at: Date, act: (tx: Tx) => Promise<unknown>) =>
  refusal(tx, 'flarewatch_connector', async (inner) => {
    await inner`select flarewatch.bind_job(${jobId}, ${at})`
    return await act(inner)
  })

describe('T4: how far a history is read', () => {
  test('is seen by members of its agency alone, and by none without TOTP', () =>
    inWorld(async (tx, { ash, birch, outsider }) => {
      const claims = (sub: string, tenant_id: string) => ({ sub, aal: 'aal1', tenant_id }) as const
      expect(await seenBy(tx, claims(ash.owner, ash.id))).toBe(2)
      expect(await seenBy(tx, claims(ash.viewer, ash.id))).toBe(2)
      expect(await seenBy(tx, claims(ash.unenrolled, ash.id))).toBe(0)
      expect(await seenBy(tx, claims(outsider, ash.id))).toBe(0)
      expect(await seenBy(tx, claims(birch.owner, ash.id))).toBe(0)
      for (const role of ['anon', 'authenticated', 'flarewatch_scheduler', 'flarewatch_vault'] satisfies Role[]) {
        expect(await refusal(tx, role, (inner) => inner`select 1 from flarewatch.backfills`)).toBe(
          INSUFFICIENT_PRIVILEGE,
        )
      }
    }))

  test('is moved by the connector for its leased job alone, while it is open and the lease lasts', () =>
    inWorld(async (tx, { ash, birch }) => {
      const moved = async (jobId: string, at: Date, of: Tenant) => {
        let count = 0
        await refusedFor(tx, jobId, at, async (inner) => {
          count = (await inner`update flarewatch.backfills set slices = 1 where tenant_id = ${of.id}`).count
        })
        return count
      }
      expect(await moved(ash.jobId, NOW, ash)).toBe(2)
      expect(await moved(ash.jobId, NOW, birch)).toBe(0)
      expect(await moved(ash.jobId, AFTER_LEASE, ash)).toBe(0)
      await tx`update flarewatch.backfills set state = 'done', finished_at = ${NOW}`
      expect(await moved(ash.jobId, NOW, ash)).toBe(0)
    }))

  test('is planned by the connector for a site of its leased job, and never as somebody’s request', () =>
    inWorld(async (tx, { ash, birch }) => {
      await tx`delete from flarewatch.backfills`
      const plan = (row: Record<string, unknown>) => (inner: Tx) =>
        inner`insert into flarewatch.backfills ${inner(row)}`
      expect(await refusedFor(tx, ash.jobId, NOW, plan(planOf(birch)))).toBe(INSUFFICIENT_PRIVILEGE)
      const request = planOf(ash, { kind: 'resync' })
      expect(await refusedFor(tx, ash.jobId, NOW, plan(request))).toBe(INSUFFICIENT_PRIVILEGE)
      expect(await refusedFor(tx, ash.jobId, AFTER_LEASE, plan(planOf(ash)))).toBe(INSUFFICIENT_PRIVILEGE)
      expect(await refusedFor(tx, ash.jobId, NOW, plan(planOf(ash)))).toBeNull()
    }))
})

describe('claim_due', () => {
  const claim = async (tx: Tx, batch: number) => {
    const jobs = await as(
      tx,
      'flarewatch_scheduler',
      () => tx<{ job_id: string }[]>`select job_id from flarewatch.claim_due(${NOW}, 900, ${batch})`,
    )
    return tx<{ tenant_id: string; kind: string }[]>`
      select tenant_id, kind from flarewatch.jobs where id in ${tx([randomUUID(), ...jobs.map(({ job_id }) => job_id)])} order by kind, tenant_id`
  }

  test('leases a history after the polls that are due, beside the poll of the same credential, and once', () =>
    inWorld(async (tx, { ash, birch }) => {
      await tx`update flarewatch.jobs set state = 'done', finished_at = ${NOW}`
      expect((await claim(tx, 2)).map(({ kind }) => kind)).toEqual(['poll', 'poll'])
      const claimed = await claim(tx, 10)
      expect(claimed.map(({ kind, tenant_id }) => [kind, tenant_id])).toEqual(
        [ash.id, birch.id].sort().map((id) => ['backfill', id]),
      )
      expect(await claim(tx, 10)).toEqual([])
    }))

  test('leaves out what waits, what is read and what is parked; agencies take turns', () =>
    inWorld(async (tx, { ash, birch }) => {
      await tx`update flarewatch.credentials set next_poll_at = ${later(DAY)}`
      for (let more = 0; more < 3; more += 1) {
        const [credential, site] = [randomUUID(), randomUUID()]
        await seedCredential(tx, ash.id, credential, later(DAY))
        await tx`insert into flarewatch.sites (id, tenant_id, credential_id, provider, provider_ref, name)
          values (${site}, ${ash.id}, ${credential}, 'cloudflare', ${site}, 'more.example')`
        await tx`insert into flarewatch.backfills ${tx(planOf({ ...ash, siteId: site }, { next_at: later(-DAY) }))}`
      }
      expect((await claim(tx, 2)).map(({ tenant_id }) => tenant_id).sort()).toEqual([ash.id, birch.id].sort())
      await tx`update flarewatch.jobs set state = 'done', finished_at = ${NOW}`
      await tx`update flarewatch.credentials set state = 'parked' where tenant_id = ${ash.id}`
      await tx`update flarewatch.backfills set next_at = ${later(1)} where tenant_id = ${birch.id} and dataset = 'daily'`
      await tx`update flarewatch.backfills set state = 'done', finished_at = ${NOW}
        where tenant_id = ${birch.id} and dataset = 'hourly'`
      expect(await claim(tx, 10)).toEqual([])
    }))
})

describe('resync_credential', () => {
  const asking = ({ id, owner, credentialId }: Tenant, changed: Record<string, unknown> = {}) => ({
    tenant_id: id,
    user_id: owner,
    credential_id: credentialId,
    from: day(later(-10 * DAY)),
    to: day(later(-8 * DAY)),
    at: NOW.toISOString(),
    idempotency: {
      key: randomUUID(),
      function: 'credential-resync',
      request_digest: randomBytes(32).toString('base64url'),
    },
    ...changed,
  })
  /** Its answer, or the stable code of a refusal: as the Edge Function sees it. */
  async function resync(tx: Tx, request: object): Promise<unknown> {
    try {
      return await tx.savepoint(async (inner) => {
        const [row] = await as(
          inner,
          'service_role',
          () => inner`
          select privileged.resync_credential(${inner.json(request as never)}) as answer`,
        )
        return row?.answer
      })
    } catch (error) {
      if (error instanceof postgres.PostgresError && error.code.startsWith('FW')) return error.message
      throw error
    }
  }

  test('A4: plans the window of each dataset once, in the days of the site’s own zone', () =>
    inWorld(async (tx, { ash }) => {
      await tx`update flarewatch.sites set time_zone = 'Asia/Kolkata' where id = ${ash.siteId}`
      const request = asking(ash)
      const answer = { resync: { credential_id: ash.credentialId, from: request.from, to: request.to, sites: 1 } }
      expect(await resync(tx, request)).toEqual(answer)
      expect(await resync(tx, request)).toEqual(answer)
      const rows = await tx`select * from flarewatch.backfills where kind = 'resync' order by dataset`
      const since = new Date(Date.parse(request.from) - 5.5 * 3_600_000)
      const until = new Date(Date.parse(request.to) + DAY - 5.5 * 3_600_000)
      const planned = { since, until, done_from: until, requested_by: ash.owner, state: 'open' }
      expect(rows).toMatchObject([
        { dataset: 'daily', ...planned },
        { dataset: 'hourly', ...planned },
      ])
      expect(await resync(tx, asking(ash))).toBe('resync_running')
    }))

  test('keeps to what is kept, and to today', () =>
    inWorld(async (tx, { ash }) => {
      await tx`insert into flarewatch.backfills ${tx(planOf(ash, { dataset: 'hourly_rollup' }))}`
      const old = asking(ash, { from: day(later(-200 * DAY)), to: day(later(DAY)) })
      expect(await resync(tx, old)).toMatchObject({ resync: { sites: 1 } })
      const rows =
        await tx`select dataset, since, until from flarewatch.backfills where kind = 'resync' order by dataset`
      const hours = { since: later(-HISTORY_MS.hourly), until: NOW }
      expect(rows).toMatchObject([
        { dataset: 'daily', until: NOW },
        { dataset: 'hourly', ...hours },
        { dataset: 'hourly_rollup', ...hours },
      ])
    }))

  test.each([
    ['resync_window_invalid', { from: day(NOW), to: day(later(-DAY)) }],
    ['resync_window_invalid', { from: day(later(-HISTORY_MS.daily - 3 * DAY)) }],
    ['resync_window_invalid', { from: day(later(3 * DAY)), to: day(later(4 * DAY)) }],
    ['credential_unknown', { site_id: randomUUID() }],
    ['credential_unknown', { credential_id: randomUUID() }],
  ])('refuses as %s: %o', (code, changed) =>
    inWorld(async (tx, { ash }) => {
      expect(await resync(tx, asking(ash, changed))).toBe(code)
    }),
  )

  test('refuses strangers, viewers, other agencies’ keys and sites, and an account without history', () =>
    inWorld(async (tx, { ash, birch, outsider }) => {
      expect(await resync(tx, asking(ash, { user_id: outsider }))).toBe('not_a_member')
      expect(await resync(tx, asking(ash, { user_id: ash.viewer }))).toBe('role_insufficient')
      expect(await resync(tx, asking(ash, { credential_id: birch.credentialId }))).toBe('credential_unknown')
      expect(await resync(tx, asking(ash, { site_id: birch.siteId }))).toBe('credential_unknown')
      await tx`delete from flarewatch.backfills`
      expect(await resync(tx, asking(ash))).toBe('resync_nothing')
    }))
})
