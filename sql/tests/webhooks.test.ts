import { randomBytes, randomUUID } from 'node:crypto'
import postgres from 'postgres'
import { describe, expect, test } from 'vitest'
import {
  as,
  asGateway,
  CHECK_VIOLATION,
  connectAs,
  countVisible,
  INSUFFICIENT_PRIVILEGE,
  type Role,
  refusal,
  rolledBack,
  type Tx,
} from './database.ts'
import { NOW, seedWorld, type Tenant, type World } from './world.ts'

const sql = connectAs('supabase_admin')
const DAY = 86_400_000
const text = (length: number) => randomBytes(length).toString('base64url')
const later = (milliseconds: number) => new Date(NOW.getTime() + milliseconds)

type Request = Record<string, unknown>

function inWorld(act: (tx: Tx, world: World) => Promise<void>): Promise<void> {
  return rolledBack(sql, async (tx) => {
    const world = await seedWorld(tx)
    await tx`update flarewatch.credentials set provider = 'stripe', next_poll_at = ${later(DAY)}`
    await act(tx, world)
  })
}

function storing({ id, owner, credentialId }: Tenant, changed: Request = {}, secret: Request = {}): Request {
  const credential = {
    id: randomUUID(),
    webhook_of: credentialId,
    provider: 'stripe',
    label: 'Signing secret',
    kek_version: 1,
    wrapped_dek: text(60),
    dek_version: 1,
    salt: text(32),
    ciphertext: text(101),
    last4: 'wxyz',
    ...secret,
  }
  const idempotency = { key: randomUUID(), function: 'webhook-store', request_digest: text(32) }
  return {
    tenant_id: id,
    user_id: owner,
    credential,
    endpoint_id: text(16),
    at: NOW.toISOString(),
    idempotency,
    ...changed,
  }
}

/** The endpoint's id, or the stable code of a refusal: as the Edge Function sees it. */
async function store(tx: Tx, request: Request): Promise<string> {
  try {
    const [row] = await tx.savepoint((inner) =>
      as(
        inner,
        'service_role',
        () => inner`select privileged.store_webhook_secret(${inner.json(request as never)}) #>> '{endpoint,id}' as id`,
      ),
    )
    return row?.id
  } catch (error) {
    if (error instanceof postgres.PostgresError && /^FW0\d\d$/.test(error.code)) return error.message
    throw error
  }
}

const admit = async (tx: Tx, endpoint: string, at = NOW, provider = 'stripe') =>
  (
    await as(
      tx,
      'flarewatch_vault',
      () =>
        tx`select admitted, tenant_id, credential_id from flarewatch.admit_webhook(${endpoint}, ${provider}, ${at})`,
    )
  ).slice()

async function receive(tx: Tx, endpoint: string, at = NOW, dekVersion = 1): Promise<string | null> {
  const id = randomUUID()
  const [row] = await as(
    tx,
    'flarewatch_gateway',
    () =>
      tx`select flarewatch.receive_webhook(${endpoint}, ${id}, ${dekVersion}, ${randomBytes(32)}, ${randomBytes(99)}, ${at}) as stored`,
  )
  return row?.stored ? id : null
}

async function apply(tx: Tx, event: string | null, name: string | null, happened = NOW, at = NOW): Promise<string> {
  const [row] = await as(
    tx,
    'flarewatch_connector',
    () => tx`select flarewatch.apply_event(${event}, ${name}, ${name === null ? null : happened}, ${at}) as applied`,
  )
  return row?.applied
}

const sent = async (tx: Tx, at: Date) =>
  (await as(tx, 'flarewatch_scheduler', () => tx`select id from flarewatch.requeue_events(${at}, 100) as id`)).map(
    ({ id }) => id,
  )

const dueAt = async (tx: Tx, { credentialId }: Tenant): Promise<Date> => {
  const [row] = await tx`select next_poll_at from flarewatch.credentials where id = ${credentialId}`
  return row?.next_poll_at
}

describe('storing a signing secret', () => {
  test('makes one endpoint an account, whose secrets are at most two', () =>
    inWorld(async (tx, { ash }) => {
      const request = storing(ash)
      const endpoint = await store(tx, request)
      expect(endpoint).toBe(request.endpoint_id)
      expect(await store(tx, request)).toBe(endpoint)
      expect(await store(tx, storing(ash))).toBe(endpoint)
      expect(await admit(tx, endpoint)).toHaveLength(2)
      expect(await store(tx, storing(ash))).toBe('webhook_secrets_full')
    }))

  test('T4: is for members who may, for an account of their tenant that delivers such webhooks', () =>
    inWorld(async (tx, { ash, birch, outsider }) => {
      expect(await store(tx, storing(ash, { user_id: ash.viewer }))).toBe('role_insufficient')
      expect(await store(tx, storing(ash, { user_id: outsider }))).toBe('not_a_member')
      expect(await store(tx, storing(ash, {}, { webhook_of: birch.credentialId }))).toBe('credential_unknown')
      expect(await store(tx, storing(ash, {}, { provider: 'resend' }))).toBe('webhook_unsupported')
      expect(await store(tx, storing(ash, {}, { id: birch.credentialId }))).toBe('credential_exists')
      expect(await store(tx, storing(ash, {}, { dek_version: 2 }))).toBe('tenant_key_rotated')
      const secret = storing(ash)
      const taken = await store(tx, secret)
      expect(await store(tx, storing(birch, { endpoint_id: taken }))).toBe('credential_exists')
      const { id } = secret.credential as { id: string }
      expect(await store(tx, storing(ash, {}, { webhook_of: id }))).toBe('webhook_unsupported')
    }))

  test('V5: such a secret is never due, whatever is written to its line', () =>
    inWorld(async (tx, { ash }) => {
      await store(tx, storing(ash))
      const due = (inner: Tx) =>
        inner`update flarewatch.credentials set next_poll_at = ${NOW} where webhook_of is not null`
      expect(await refusal(tx, 'supabase_admin' as Role, due)).toBe(CHECK_VIOLATION)
    }))
})

describe('an endpoint', () => {
  test('takes sixty at once and twenty a minute, and takes nothing without a key, a secret or a tenant', () =>
    inWorld(async (tx, { ash, birch }) => {
      const [endpoint, other] = [await store(tx, storing(ash)), await store(tx, storing(birch))]
      for (let count = 0; count < 60; count += 1) expect(await admit(tx, endpoint)).toMatchObject([{ admitted: true }])
      expect(await admit(tx, endpoint)).toMatchObject([{ admitted: false, credential_id: null }])
      expect(await admit(tx, other)).toMatchObject([{ admitted: true, tenant_id: birch.id }])
      expect(await admit(tx, endpoint, later(3000))).toMatchObject([{ admitted: true, tenant_id: ash.id }])
      expect(await admit(tx, endpoint, later(3000))).toMatchObject([{ admitted: false }])
      expect(await admit(tx, other, NOW, 'resend')).toEqual([])
      expect(await admit(tx, text(16))).toEqual([])
      await tx`update flarewatch.tenants set state = 'deleting', deleting_since = ${NOW} where id = ${birch.id}`
      expect(await admit(tx, other)).toEqual([])
      await tx`update flarewatch.credentials set kek_version = null, wrapped_dek = null, dek_version = null, salt = null,
        ciphertext = null, state = 'parked', deleted_at = ${NOW} where id = ${ash.credentialId}`
      expect(await admit(tx, endpoint, later(DAY))).toEqual([])
    }))

  test('T4 A1: is seen by enrolled members of its tenant, without its rate; the inbox by nobody', () =>
    inWorld(async (tx, { ash, birch, outsider }) => {
      const endpoint = await store(tx, storing(ash))
      await receive(tx, endpoint)
      const seenBy = (sub: string, tenant = ash.id) =>
        asGateway(tx, { sub, aal: 'aal1', tenant_id: tenant }, async () => {
          const rows = await tx`select id from flarewatch.webhook_endpoints`
          return rows.length
        })
      expect([await seenBy(ash.owner), await seenBy(ash.viewer)]).toEqual([1, 1])
      for (const [sub, tenant] of [
        [ash.unenrolled, ash.id],
        [outsider, ash.id],
        [birch.owner, ash.id],
        [birch.owner, birch.id],
      ] as const) {
        expect(await seenBy(sub, tenant)).toBe(0)
      }
      for (const role of [
        'anon',
        'authenticated',
        'service_role',
        'flarewatch_gateway',
        'flarewatch_connector',
      ] as const) {
        const look = (inner: Tx) => inner`select id from flarewatch.webhook_events`
        expect(await refusal(tx, role, look), role).toBe(INSUFFICIENT_PRIVILEGE)
      }
      const rate = (inner: Tx) => inner`select paid_until from flarewatch.webhook_endpoints`
      expect(await refusal(tx, 'flarewatch_gateway', rate)).toBe(INSUFFICIENT_PRIVILEGE)
      for (const role of ['anon', 'authenticated', 'service_role', 'flarewatch_scheduler'] as const) {
        const judge = (inner: Tx) => inner`select flarewatch.admit_webhook(${endpoint}, 'stripe', ${NOW})`
        expect(await refusal(tx, role, judge), role).toBe(INSUFFICIENT_PRIVILEGE)
      }
    }))

  test('T4: the vault sees what an event is sealed by, not the event, and its intent while it waits', () =>
    inWorld(async (tx, { ash }) => {
      const event = await receive(tx, await store(tx, storing(ash)))
      const look = (inner: Tx) => inner`select ciphertext from flarewatch.webhook_events`
      expect(await refusal(tx, 'flarewatch_vault', look)).toBe(INSUFFICIENT_PRIVILEGE)
      const note = () =>
        as(tx, 'flarewatch_vault', async () => {
          const { count } =
            await tx`update flarewatch.webhook_events set intent_row = ${randomUUID()} where id = ${event}`
          return count
        })
      expect(await note()).toBe(1)
      await apply(tx, event, 'evt_1')
      expect(await note()).toBe(0)
    }))
})

describe('the inbox', () => {
  test('T4: takes an event for the endpoint’s own tenant, under a key that this tenant has', () =>
    inWorld(async (tx, { ash, birch }) => {
      const endpoint = await store(tx, storing(ash))
      expect(await receive(tx, endpoint, NOW, 2)).toBeNull()
      expect(await receive(tx, text(16))).toBeNull()
      const event = await receive(tx, endpoint)
      const rows = await tx`select id, tenant_id from flarewatch.webhook_events`
      expect(rows.slice()).toEqual([{ id: event, tenant_id: ash.id }])
      expect(rows[0]?.tenant_id).not.toBe(birch.id)
    }))

  test('applies an event once, in any order, to its own account alone, and keeps nothing of a repetition', () =>
    inWorld(async (tx, { ash, birch }) => {
      const endpoint = await store(tx, storing(ash))
      const [one, again, earlier] = [
        await receive(tx, endpoint),
        await receive(tx, endpoint),
        await receive(tx, endpoint),
      ]
      expect(await apply(tx, one, 'evt_1')).toBe('applied')
      expect(await dueAt(tx, ash)).toEqual(NOW)
      expect(await dueAt(tx, birch)).toEqual(later(DAY))
      await tx`update flarewatch.credentials set next_poll_at = ${later(DAY)} where id = ${ash.credentialId}`
      expect(await apply(tx, one, 'evt_1')).toBe('gone')
      expect(await apply(tx, again, 'evt_1')).toBe('duplicate')
      expect(await dueAt(tx, ash)).toEqual(later(DAY))
      expect(await apply(tx, earlier, 'evt_0', later(-DAY))).toBe('applied')
      const [seen] = await tx`select accepted::int, last_event_at from flarewatch.webhook_endpoints`
      expect(seen).toEqual({ accepted: 3, last_event_at: NOW })
      expect(await countVisible(tx, 'webhook_events')).toBe(2)
    }))

  test('never makes an account due later than it was, nor a parked one due', () =>
    inWorld(async (tx, { ash }) => {
      const endpoint = await store(tx, storing(ash))
      await tx`update flarewatch.credentials set next_poll_at = ${later(-60_000)} where id = ${ash.credentialId}`
      await apply(tx, await receive(tx, endpoint), 'evt_1')
      expect(await dueAt(tx, ash)).toEqual(later(-60_000))
      await tx`update flarewatch.credentials set state = 'parked', next_poll_at = ${later(DAY)} where id = ${ash.credentialId}`
      expect(await apply(tx, await receive(tx, endpoint), 'evt_2')).toBe('applied')
      expect(await dueAt(tx, ash)).toEqual(later(DAY))
    }))

  test('sends what waits again after five minutes, for three days, and drops what is thirty days old', () =>
    inWorld(async (tx, { ash }) => {
      const endpoint = await store(tx, storing(ash))
      const [waiting, done] = [await receive(tx, endpoint), await receive(tx, endpoint)]
      await apply(tx, done, 'evt_1')
      expect(await sent(tx, later(299_000))).toEqual([])
      expect(await sent(tx, later(300_000))).toEqual([waiting])
      expect(await sent(tx, later(301_000))).toEqual([])
      expect(await sent(tx, later(3 * DAY))).toEqual([])
      const drop = async (at: Date) => {
        const [row] = await as(tx, 'flarewatch_scheduler', () => tx`select flarewatch.drop_old_events(${at}, 100) as n`)
        return row?.n
      }
      expect(await drop(later(30 * DAY - 1))).toBe(0)
      expect(await drop(later(30 * DAY))).toBe(2)
    }))

  test('V1: gives up its bodies, and no event, with the DEK that they were sealed by', () =>
    inWorld(async (tx, { ash }) => {
      const event = await receive(tx, await store(tx, storing(ash)))
      await tx`insert into flarewatch.tenant_keys (tenant_id, version, kek_version, wrapped_dek)
        values (${ash.id}, 2, 1, ${randomBytes(60)})`
      const destroy = () =>
        as(tx, 'flarewatch_vault', () => tx`select flarewatch.destroy_old_deks(${ash.id}) as version`)
      expect((await destroy()).slice()).toEqual([])
      await tx`update flarewatch.credentials set dek_version = 2 where tenant_id = ${ash.id}`
      expect((await destroy()).slice()).toEqual([{ version: 1 }])
      const waiting = await as(
        tx,
        'flarewatch_connector',
        () => tx`select provider, dek_version, ciphertext from flarewatch.waiting_event(${event})`,
      )
      expect(waiting.slice()).toEqual([{ provider: 'stripe', dek_version: null, ciphertext: null }])
      expect(await apply(tx, event, null)).toBe('applied')
      expect(await dueAt(tx, ash)).toEqual(NOW)
    }))

  test('goes with its tenant', () =>
    inWorld(async (tx, { ash }) => {
      await receive(tx, await store(tx, storing(ash)))
      await as(tx, 'flarewatch_vault', () => tx`select flarewatch.begin_tenant_deletion(${ash.id}, 'Ash', ${NOW})`)
      const erase = () =>
        as(tx, 'flarewatch_vault', () => tx<{ n: number }[]>`select flarewatch.erase_tenant(${ash.id}, 1, ${NOW}) as n`)
      while (((await erase())[0]?.n ?? 0) > 0);
      for (const table of ['webhook_endpoints', 'webhook_events', 'webhook_days'])
        expect(await countVisible(tx, table)).toBe(0)
    }))
})

type Listed = { readonly named: string; readonly happened?: Date; readonly dekVersion?: number }

/** As the connector acts: bound to a job, at a time, inside one transaction. */
async function bound<Value>(tx: Tx, job: string, act: () => Promise<Value>, at = NOW): Promise<Value> {
  return as(tx, 'flarewatch_connector', async () => {
    await tx`select flarewatch.bind_job(${job}, ${at})`
    return act()
  })
}

async function leasePoll(tx: Tx, { id, credentialId }: Tenant): Promise<string> {
  const job = randomUUID()
  await tx`delete from flarewatch.jobs where credential_id = ${credentialId}`
  await tx`insert into flarewatch.jobs (id, tenant_id, credential_id, kind, state, attempt, lease_until, created_at)
    values (${job}, ${id}, ${credentialId}, 'poll', 'leased', 1, ${later(30 * DAY)}, ${NOW})`
  return job
}

const fill = async (tx: Tx, { named, happened = NOW, dekVersion = 1 }: Listed): Promise<boolean> => {
  const [row] = await tx`
    select flarewatch.fill_gap(${randomUUID()}, ${named}, ${happened}, ${dekVersion}, ${randomBytes(32)}, ${randomBytes(99)}) as filled`
  return row?.filled
}

describe('a comparison', () => {
  test('is due at once, then when it was said, for an account with a secret; from an hour before the last one’s end', () =>
    inWorld(async (tx, { ash }) => {
      const job = await leasePoll(tx, ash)
      const due = (at: Date) =>
        bound(
          tx,
          job,
          async () => (await tx`select since from flarewatch.reconcilable_endpoint()`).map(({ since }) => since),
          at,
        )
      expect(await due(NOW)).toEqual([])
      await store(tx, storing(ash))
      expect(await due(later(DAY))).toEqual([NOW])
      const end = (until: Date, code: string | null) =>
        bound(tx, job, () => tx`select flarewatch.end_reconciliation(${until}, ${later(2 * DAY)}, ${code})`, later(DAY))
      await end(later(DAY), null)
      expect(await due(later(2 * DAY - 1))).toEqual([])
      await end(later(9 * DAY), 'provider_forbidden')
      expect(await due(later(2 * DAY))).toEqual([later(DAY - 3_600_000)])
    }))

  test('T4: finds and fills the gaps of the leased job’s own account, each once, and of nobody without a lease', () =>
    inWorld(async (tx, { ash, birch }) => {
      const [endpoint, other] = [await store(tx, storing(ash)), await store(tx, storing(birch))]
      const job = await leasePoll(tx, ash)
      await apply(tx, await receive(tx, endpoint), 'evt_1')
      await apply(tx, await receive(tx, other), 'evt_2')
      const missing = () =>
        tx`select e from flarewatch.missing_events(${tx.json(['evt_1', 'evt_2'])}) as e`.then((rows) =>
          rows.map(({ e }) => e),
        )
      expect(await bound(tx, job, missing)).toEqual(['evt_2'])
      expect(await bound(tx, randomUUID(), missing)).toEqual([])
      expect(await bound(tx, randomUUID(), () => fill(tx, { named: 'evt_2' }))).toBe(false)
      await tx`update flarewatch.credentials set next_poll_at = ${later(DAY)} where webhook_of is null`
      expect(await bound(tx, job, () => fill(tx, { named: 'evt_2', dekVersion: 2 }))).toBe(false)
      expect(await bound(tx, job, () => fill(tx, { named: 'evt_2' }))).toBe(true)
      expect(await bound(tx, job, () => fill(tx, { named: 'evt_2' }))).toBe(false)
      expect([await dueAt(tx, ash), await dueAt(tx, birch)]).toEqual([NOW, later(DAY)])
      expect(await apply(tx, await receive(tx, endpoint), 'evt_2')).toBe('duplicate')
      const rows = await tx`select provider_event, source from flarewatch.webhook_events where endpoint_id = ${endpoint}
        order by provider_event`
      expect(rows.slice()).toEqual([
        { provider_event: 'evt_1', source: 'delivered' },
        { provider_event: 'evt_2', source: 'reconciled' },
      ])
      const counts = await tx`select delivered::int, duplicates::int, gaps::int from flarewatch.webhook_days
        where endpoint_id = ${endpoint}`
      expect(counts.slice()).toEqual([{ delivered: 2, duplicates: 1, gaps: 1 }])
    }))

  test('T4 A1: is made by the connector alone, and its counts are seen by enrolled members of the tenant', () =>
    inWorld(async (tx, { ash, birch, outsider }) => {
      const endpoint = await store(tx, storing(ash))
      await receive(tx, endpoint)
      const seenBy = (sub: string, tenant = ash.id) =>
        asGateway(tx, { sub, aal: 'aal1', tenant_id: tenant }, async () => {
          const rows = await tx`select day from flarewatch.webhook_days`
          return rows.length
        })
      expect([await seenBy(ash.owner), await seenBy(ash.viewer)]).toEqual([1, 1])
      expect([await seenBy(ash.unenrolled), await seenBy(outsider), await seenBy(birch.owner, birch.id)]).toEqual([
        0, 0, 0,
      ])
      for (const role of [
        'anon',
        'authenticated',
        'service_role',
        'flarewatch_connector',
        'flarewatch_vault',
      ] as const) {
        expect(await refusal(tx, role, (inner) => inner`select day from flarewatch.webhook_days`), role).toBe(
          INSUFFICIENT_PRIVILEGE,
        )
      }
      for (const role of [
        'anon',
        'authenticated',
        'service_role',
        'flarewatch_gateway',
        'flarewatch_scheduler',
      ] as const) {
        const ask = (inner: Tx) => inner`select flarewatch.missing_events('[]')`
        expect(await refusal(tx, role, ask), role).toBe(INSUFFICIENT_PRIVILEGE)
      }
    }))

  test('keeps its counts for ninety days', () =>
    inWorld(async (tx, { ash }) => {
      await receive(tx, await store(tx, storing(ash)))
      const days = async (at: Date) => {
        await as(tx, 'flarewatch_scheduler', () => tx`select flarewatch.drop_old_events(${at}, 100)`)
        return countVisible(tx, 'webhook_days')
      }
      expect([await days(later(90 * DAY)), await days(later(91 * DAY))]).toEqual([1, 0])
    }))
})
