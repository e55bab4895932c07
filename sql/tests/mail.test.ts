import { randomBytes, randomUUID } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { WORKER_ROLES } from '../../local/postgres/roles.ts'
import {
  as,
  asGateway,
  type Claims,
  connectAs,
  INSUFFICIENT_PRIVILEGE,
  type Role,
  refusal,
  rolledBack,
  type Tx,
} from './database.ts'
import { addAccount, NOW, seedWorld, type Tenant, type World } from './world.ts'

const sql = connectAs('supabase_admin')
const MINUTE_MS = 60_000
const LEASE_SECONDS = 120
const minutes = (count: number) => new Date(NOW.getTime() + count * MINUTE_MS)

function inWorld(act: (tx: Tx, world: World) => Promise<void>): Promise<void> {
  return rolledBack(sql, async (tx) => {
    const world = await seedWorld(tx)
    await tx`delete from flarewatch.mail_outbox`
    await act(tx, world)
  })
}

type Raised = { readonly role?: Role; readonly kind?: string; readonly seq?: number | null; readonly at?: Date }

async function raise(tx: Tx, tenantId: string | null, { role, kind, seq, at }: Raised = {}): Promise<void> {
  const raiser = role ?? 'flarewatch_verifier'
  const part = { flarewatch_ledger: 'durable-objects' }[raiser as string] ?? raiser.replace('flarewatch_', '')
  await as(
    tx,
    raiser,
    () => tx`
    insert into flarewatch.incidents (id, tenant_id, kind, seq, part, detail, at)
    values (${randomUUID()}, ${tenantId}, ${kind ?? 'row_edited'}, ${seq ?? null}, ${part}, '{}', ${at ?? NOW})`,
  )
}

type Claimed = {
  readonly id: string
  readonly kind: string
  readonly payload: { readonly incidents?: Record<string, unknown>; readonly more?: number; readonly size?: number }
  readonly attempt: number
  readonly tenant_id: string | null
  readonly tenant_name: string | null
  readonly to_operator: boolean
  readonly address: string | null
}

async function claim(tx: Tx, at = NOW, batch = 100): Promise<Claimed[]> {
  const rows = await as(
    tx,
    'flarewatch_notifier',
    () => tx<Claimed[]>`select * from flarewatch.claim_mail(${at}, ${LEASE_SECONDS}, ${batch})`,
  )
  return [...rows]
}

const entriesOf = ({ payload }: Claimed) => Object.values(payload.incidents ?? {})
const toOwner = (mails: readonly Claimed[]) => mails.filter(({ to_operator }) => !to_operator)

async function addReceipt(tx: Tx, { id }: Tenant, size: number): Promise<void> {
  await tx`insert into flarewatch.receipts (log, size, root, chain_head, note, at)
    values (${id}, ${size}, ${randomBytes(32)}, ${randomBytes(32)}, ${`note ${size}`}, ${NOW})`
}

function mailReceipt(tx: Tx, { id }: Tenant): Promise<number> {
  return as(tx, 'flarewatch_verifier', async () => {
    const [row] = await tx<{ queued: number }[]>`select flarewatch.mail_receipt(${id}, ${NOW}) as queued`
    return row?.queued ?? -1
  })
}

describe('L4: an incident and its mails are one transaction', () => {
  test.each(['flarewatch_verifier', 'flarewatch_vault', 'flarewatch_ledger', 'flarewatch_connector'] as const)(
    'whoever raises it: %s',
    (role) =>
      inWorld(async (tx, { ash }) => {
        await raise(tx, ash.id, { role, seq: 41 })
        const mails = await claim(tx)
        expect(mails.map(({ address, tenant_name, to_operator }) => [address, tenant_name, to_operator])).toEqual(
          expect.arrayContaining([
            ['owner@ash.test', 'Ash', false],
            [null, null, true],
          ]),
        )
        expect(mails).toHaveLength(2)
        const part = role === 'flarewatch_ledger' ? 'durable-objects' : role.replace('flarewatch_', '')
        const told = { tenant_id: ash.id, kind: 'row_edited', part, seq: 41, at: NOW.toISOString(), count: 1 }
        for (const mail of mails) expect(entriesOf(mail)).toEqual([told])
      }),
  )

  test('each owner of the tenant gets one, and nobody else: no viewer, no owner of another tenant', () =>
    inWorld(async (tx, { ash }) => {
      const second = randomUUID()
      await tx`insert into flarewatch.members (tenant_id, user_id, role) values (${ash.id}, ${second}, 'owner')`
      await addAccount(tx, second, 'second@ash.test')
      await raise(tx, ash.id)
      const addresses = toOwner(await claim(tx)).map(({ address }) => address)
      expect(addresses.sort()).toEqual(['owner@ash.test', 'second@ash.test'])
    }))

  test('an incident of no tenant, or of one that is gone from Postgres, reaches the operator', () =>
    inWorld(async (tx) => {
      const gone = randomUUID()
      await raise(tx, null, { kind: 'queue_message_refused', role: 'flarewatch_connector' })
      await raise(tx, gone, { kind: 'tenant_missing' })
      const [mail, ...others] = await claim(tx)
      expect(others).toEqual([])
      expect(mail?.to_operator).toBe(true)
      expect(mail === undefined ? [] : entriesOf(mail)).toEqual([
        expect.objectContaining({ tenant_id: null, kind: 'queue_message_refused' }),
        expect.objectContaining({ tenant_id: gone, kind: 'tenant_missing' }),
      ])
    }))

  test('an incident that was raised before adds no mail', () =>
    inWorld(async (tx, { ash }) => {
      const id = randomUUID()
      const insert = () => tx`insert into flarewatch.incidents (id, tenant_id, kind, part, at)
        values (${id}, ${ash.id}, 'fork', 'verifier', ${NOW}) on conflict do nothing`
      await insert()
      await claim(tx)
      await insert()
      expect(await claim(tx, minutes(60 * 24))).toHaveLength(2)
    }))

  test('what is rolled back mails nothing', () =>
    inWorld(async (tx, { ash }) => {
      await tx
        .savepoint(async (inner) => {
          await raise(inner, ash.id)
          throw new Error('rolled back')
        })
        .catch(() => {})
      expect(await claim(tx)).toEqual([])
    }))

  test('its trigger fires also in a session that calls itself a replica', () =>
    inWorld(async (tx, { ash }) => {
      await tx`set local session_replication_role = replica`
      await tx`insert into flarewatch.incidents (id, tenant_id, kind, part, at)
        values (${randomUUID()}, ${ash.id}, 'fork', 'verifier', ${NOW})`
      expect(await claim(tx)).toHaveLength(2)
    }))
})

describe('a storm of incidents', () => {
  test('is one mail at once, then one a quarter of an hour, in which a kind is one entry with its first bad row', () =>
    inWorld(async (tx, { ash }) => {
      await raise(tx, ash.id, { kind: 'row_edited', seq: 9 })
      expect(toOwner(await claim(tx))).toHaveLength(1)
      for (const [minute, seq] of [12, 7, 30].entries()) {
        await raise(tx, ash.id, { kind: 'row_edited', seq, at: minutes(minute + 1) })
      }
      await raise(tx, ash.id, { kind: 'fork', at: minutes(4) })
      expect(toOwner(await claim(tx, minutes(14))).filter(({ attempt }) => attempt === 1)).toEqual([])
      const [gathered] = toOwner(await claim(tx, minutes(15))).filter(({ attempt }) => attempt === 1)
      expect(gathered === undefined ? [] : entriesOf(gathered)).toEqual(
        expect.arrayContaining([
          expect.objectContaining({ kind: 'row_edited', seq: 7, count: 3, at: minutes(1).toISOString() }),
          expect.objectContaining({ kind: 'fork', seq: null, count: 1 }),
        ]),
      )
    }))

  test('of endless kinds stays a mail of bounded size, and says how many it leaves out', () =>
    inWorld(async (tx, { ash }) => {
      for (let kind = 0; kind < 25; kind += 1) await raise(tx, ash.id, { kind: `made_up_${kind}` })
      const [mail] = toOwner(await claim(tx))
      expect([mail === undefined ? 0 : entriesOf(mail).length, mail?.payload.more]).toEqual([20, 5])
    }))

  test('never changes a mail that was claimed: a second try says what the first did', () =>
    inWorld(async (tx, { ash }) => {
      await raise(tx, ash.id, { kind: 'fork' })
      const [first] = toOwner(await claim(tx))
      await raise(tx, ash.id, { kind: 'row_edited', at: minutes(1) })
      const again = toOwner(await claim(tx, minutes(2))).find(({ id }) => id === first?.id)
      expect([again?.payload, again?.attempt]).toEqual([first?.payload, 2])
    }))

  test('is not held back for ever by a clock that was ahead once', () =>
    inWorld(async (tx, { ash }) => {
      await raise(tx, ash.id, { at: minutes(60 * 24 * 700) })
      await claim(tx, minutes(60 * 24 * 700))
      await raise(tx, ash.id, { kind: 'fork' })
      const due = toOwner(await claim(tx, minutes(15))).map(entriesOf)
      expect(due).toEqual([[expect.objectContaining({ kind: 'fork' })]])
    }))
})

describe('L2: checkpoints to owners', () => {
  test('the newest one, once to each owner, and again only when the log has grown', () =>
    inWorld(async (tx, { ash }) => {
      await addReceipt(tx, ash, 5)
      await addReceipt(tx, ash, 8)
      expect([await mailReceipt(tx, ash), await mailReceipt(tx, ash)]).toEqual([1, 0])
      const [mail, ...others] = await claim(tx)
      expect([mail?.kind, mail?.payload, mail?.address]).toEqual([
        'receipt',
        { size: 8, note: 'note 8' },
        'owner@ash.test',
      ])
      expect(others).toEqual([])
      await addReceipt(tx, ash, 9)
      expect(await mailReceipt(tx, ash)).toBe(1)
    }))

  test('of a tenant without a receipt, or without owners, mail nobody', () =>
    inWorld(async (tx, { ash }) => {
      await tx`delete from flarewatch.receipts where log = ${ash.id}`
      expect(await mailReceipt(tx, ash)).toBe(0)
      await addReceipt(tx, ash, 3)
      await tx`update flarewatch.members set role = 'operator' where tenant_id = ${ash.id}`
      expect(await mailReceipt(tx, ash)).toBe(0)
    }))

  test('go out after incidents, however many are waiting', () =>
    inWorld(async (tx, { ash, birch }) => {
      await addReceipt(tx, ash, 8)
      await mailReceipt(tx, ash)
      await raise(tx, birch.id, { at: minutes(1) })
      expect((await claim(tx, minutes(1), 2)).map(({ kind }) => kind)).toEqual(['incident', 'incident'])
      expect((await claim(tx, minutes(1), 2)).map(({ kind }) => kind)).toEqual(['receipt'])
    }))
})

describe('a claim', () => {
  test('is a lease: nobody else gets the mail before it has run out', () =>
    inWorld(async (tx, { ash }) => {
      await raise(tx, ash.id)
      expect(await claim(tx)).toHaveLength(2)
      expect(await claim(tx, new Date(NOW.getTime() + LEASE_SECONDS * 1000 - 1))).toEqual([])
      expect(await claim(tx, new Date(NOW.getTime() + LEASE_SECONDS * 1000))).toHaveLength(2)
    }))

  test('has no address for who is no owner any more, or has not confirmed theirs', () =>
    inWorld(async (tx, { ash, birch }) => {
      await raise(tx, ash.id)
      await raise(tx, birch.id)
      await tx`update flarewatch.members set role = 'viewer' where user_id = ${ash.owner}`
      await tx`update auth.users set email_confirmed_at = null where id = ${birch.owner}`
      expect(toOwner(await claim(tx)).map(({ address }) => address)).toEqual([null, null])
    }))

  test('ends by what came of it, and a claim that was lost by then changes nothing', () =>
    inWorld(async (tx, { ash }) => {
      await raise(tx, ash.id)
      const [mail] = toOwner(await claim(tx))
      const { id = '', attempt = 0 } = mail ?? {}
      const settle = (act: (inner: Tx) => Promise<unknown>) => as(tx, 'flarewatch_notifier', () => act(tx))
      await settle((inner) => inner`select flarewatch.mail_put_off(${id}, ${attempt + 1}, ${minutes(99)}, 'late')`)
      await settle((inner) => inner`select flarewatch.mail_given_up(${id}, ${attempt + 1}, ${NOW}, 'late')`)
      expect((await tx`select reason from flarewatch.mail_outbox where id = ${id}`)[0]).toEqual({ reason: null })
      await settle(
        (inner) => inner`select flarewatch.mail_put_off(${id}, ${attempt}, ${minutes(9)}, 'mail_server_error')`,
      )
      expect(toOwner(await claim(tx, minutes(8)))).toEqual([])
      expect(toOwner(await claim(tx, minutes(9)))).toHaveLength(1)
      await settle((inner) => inner`select flarewatch.mail_sent(${id}, ${minutes(9)})`)
      await settle((inner) => inner`select flarewatch.mail_given_up(${id}, ${attempt + 1}, ${NOW}, 'late')`)
      expect(toOwner(await claim(tx, minutes(60 * 24)))).toEqual([])
      const [row] = await tx`select sent_at, given_up_at, reason from flarewatch.mail_outbox where id = ${id}`
      expect(row).toEqual({ sent_at: minutes(9), given_up_at: null, reason: null })
    }))
})

describe('T4: the outbox and the addresses', () => {
  const EVERYONE: readonly Role[] = [...WORKER_ROLES, 'anon', 'authenticated', 'service_role']

  test.each(EVERYONE)('%s reads and writes no row of the outbox, and no account', (role) =>
    inWorld(async (tx, { ash }) => {
      await raise(tx, ash.id)
      for (const statement of [
        (inner: Tx) => inner`select 1 from flarewatch.mail_outbox`,
        (inner: Tx) => inner`update flarewatch.mail_outbox set sent_at = now()`,
        (inner: Tx) => inner`delete from flarewatch.mail_outbox`,
        (inner: Tx) => inner`insert into flarewatch.mail_outbox (kind, payload, due_at, next_try_at)
          values ('incident', '{}', now(), now())`,
        (inner: Tx) => inner`select 1 from auth.users`,
      ]) {
        expect(await refusal(tx, role, statement)).toBe(INSUFFICIENT_PRIVILEGE)
      }
    }),
  )

  test.each(EVERYONE.filter((role) => role !== 'flarewatch_notifier'))('%s claims no mail and ends none', (role) =>
    inWorld(async (tx) => {
      for (const statement of [
        (inner: Tx) => inner`select flarewatch.claim_mail(now(), 1, 1)`,
        (inner: Tx) => inner`select flarewatch.mail_sent(${randomUUID()}, now())`,
        (inner: Tx) => inner`select flarewatch.mail_put_off(${randomUUID()}, 1, now(), 'x')`,
        (inner: Tx) => inner`select flarewatch.mail_given_up(${randomUUID()}, 1, now(), 'x')`,
        (inner: Tx) => inner`select flarewatch.incident_mail_due(null, null, now())`,
      ]) {
        expect(await refusal(tx, role, statement)).toBe(INSUFFICIENT_PRIVILEGE)
      }
    }),
  )

  test.each(EVERYONE.filter((role) => role !== 'flarewatch_verifier'))('%s queues no receipt', (role) =>
    inWorld(async (tx, { ash }) => {
      expect(await refusal(tx, role, (inner) => inner`select flarewatch.mail_receipt(${ash.id}, now())`)).toBe(
        INSUFFICIENT_PRIVILEGE,
      )
    }),
  )

  test('the notifier reads nothing of a tenant, a member, an incident or a receipt by itself', () =>
    inWorld(async (tx, { ash }) => {
      for (const table of ['tenants', 'members', 'incidents', 'receipts', 'credentials', 'audit_log', 'jobs']) {
        const read = (inner: Tx) => inner`select 1 from ${inner(`flarewatch.${table}`)}`
        expect(await refusal(tx, 'flarewatch_notifier', read), table).toBe(INSUFFICIENT_PRIVILEGE)
      }
      const forge = (inner: Tx) => inner`insert into flarewatch.incidents (id, tenant_id, kind, part, at)
        values (${randomUUID()}, ${ash.id}, 'fork', 'notifier', ${NOW})`
      expect(await refusal(tx, 'flarewatch_notifier', forge)).toBe(INSUFFICIENT_PRIVILEGE)
    }))
})

describe('T4: what the gateway learns of the mails', () => {
  const claims = (sub: string, tenantId: string | null): Claims => ({ sub, aal: 'aal1', tenant_id: tenantId })
  const status = async (tx: Tx, who: Claims | null, at = NOW) => [
    ...(await asGateway(tx, who, () => tx`select * from flarewatch.mail_status(${at})`)),
  ]

  test('is counted for the bound tenant alone', () =>
    inWorld(async (tx, { ash, birch }) => {
      await raise(tx, ash.id)
      const quiet = { waiting: 0, oldest_due_at: null, given_up_24h: 0 }
      expect(await status(tx, claims(birch.viewer, birch.id))).toEqual([quiet])
      expect(await status(tx, claims(ash.viewer, ash.id))).toEqual([{ ...quiet, waiting: 1, oldest_due_at: NOW }])
      await tx`update flarewatch.mail_outbox set given_up_at = ${NOW}, reason = 'recipient_gone'`
      expect(await status(tx, claims(ash.viewer, ash.id))).toEqual([{ ...quiet, given_up_24h: 1 }])
      expect(await status(tx, claims(ash.viewer, ash.id), minutes(60 * 24))).toEqual([quiet])
    }))

  test('is nothing for an outsider, for a member of another tenant, without TOTP (A1), and unbound', () =>
    inWorld(async (tx, { ash, birch, outsider }) => {
      await raise(tx, ash.id)
      for (const who of [
        claims(outsider, ash.id),
        claims(ash.owner, birch.id),
        claims(ash.unenrolled, ash.id),
        claims(ash.owner, null),
        null,
      ]) {
        expect(await status(tx, who)).toEqual([])
      }
    }))
})
