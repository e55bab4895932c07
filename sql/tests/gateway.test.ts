import { randomUUID } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import {
  asGateway,
  type Claims,
  connectAs,
  countVisible,
  INSUFFICIENT_PRIVILEGE,
  type Role,
  refusal,
  rolledBack,
  type Tx,
} from './database.ts'
import { seedWorld, type Tenant, type World } from './world.ts'

const sql = connectAs('supabase_admin')

/** Rows of Ash that a viewer of Ash sees through the gateway, by table, at each level of assurance. */
const VISIBLE: Record<string, { readonly aal1: number; readonly aal2: number }> = {
  tenants: { aal1: 1, aal2: 1 },
  members: { aal1: 1, aal2: 3 },
  credentials: { aal1: 1, aal2: 1 },
  sites: { aal1: 1, aal2: 1 },
  jobs: { aal1: 1, aal2: 1 },
  cursors: { aal1: 1, aal2: 1 },
  facts_hourly: { aal1: 1, aal2: 1 },
  facts_daily: { aal1: 1, aal2: 1 },
  facts_top: { aal1: 1, aal2: 1 },
  findings: { aal1: 1, aal2: 1 },
  receipts: { aal1: 1, aal2: 1 },
  verification_runs: { aal1: 1, aal2: 1 },
  incidents: { aal1: 1, aal2: 1 },
  audit_log: { aal1: 0, aal2: 2 },
}
const READABLE = Object.keys(VISIBLE)
/** Tables that name a tenant by its log. */
const LOGS = ['receipts', 'verification_runs']
const NOTHING = Object.fromEntries(READABLE.map((table) => [table, 0]))
/** No policy and no grant lets the gateway near these. */
const OUT_OF_REACH = ['tenant_keys', 'audit_keys', 'kek_checks', 'audit_heads', 'mail_outbox', 'idempotency']

async function visible(tx: Tx, claims: Claims | null): Promise<Record<string, number>> {
  return await asGateway(tx, claims, async () => {
    const counts: Record<string, number> = {}
    for (const table of READABLE) {
      // A column that every role with any grant on the table may read: count(*) needs one.
      const column = LOGS.includes(table) ? 'log' : table === 'tenants' || table === 'incidents' ? 'id' : 'tenant_id'
      const [row] = await tx<{ n: number }[]>`select count(${tx(column)})::int as n from ${tx(`flarewatch.${table}`)}`
      counts[table] = row?.n ?? 0
    }
    return counts
  })
}

function inWorld(act: (tx: Tx, world: World) => Promise<void>): Promise<void> {
  return rolledBack(sql, async (tx) => act(tx, await seedWorld(tx)))
}

const at = (level: 'aal1' | 'aal2') =>
  Object.fromEntries(READABLE.map((table) => [table, VISIBLE[table]?.[level] ?? -1]))
const claimsOf = (sub: string, tenant: Tenant | null, aal: 'aal1' | 'aal2' = 'aal2'): Claims => ({
  sub,
  aal,
  tenant_id: tenant?.id ?? null,
})

describe('T4: a tenant sees itself and nobody else', () => {
  for (const role of ['owner', 'viewer'] as const) {
    test(`the ${role} sees their own tenant’s rows`, () =>
      inWorld(async (tx, { ash }) => {
        expect(await visible(tx, claimsOf(ash[role], ash))).toEqual(at('aal2'))
      }))

    test(`the ${role} sees nothing of a tenant whose id they put into the request`, () =>
      inWorld(async (tx, { ash, birch }) => {
        const seen = await visible(tx, claimsOf(ash[role], birch))
        // What follows from the user alone stays: their own membership, and the tenant that it names.
        expect(seen).toEqual({ ...NOTHING, tenants: 1, members: 1 })
      }))
  }

  test('an outsider with TOTP sees nothing, whichever tenant they name', () =>
    inWorld(async (tx, { ash, birch, outsider }) => {
      for (const tenant of [ash, birch, null]) expect(await visible(tx, claimsOf(outsider, tenant))).toEqual(NOTHING)
    }))

  test('a transaction that nobody bound sees nothing', () =>
    inWorld(async (tx) => {
      expect(await visible(tx, null)).toEqual(NOTHING)
    }))

  test('claims end with their transaction', async () => {
    const gateway = connectAs('flarewatch_gateway')
    await gateway.begin((tx) => [tx`select flarewatch.bind_claims(${tx.json({ sub: randomUUID(), aal: 'aal2' })})`])
    const [row] = await gateway`select flarewatch.claim_user() as sub, flarewatch.claim_tenant() as tenant`
    expect(row).toEqual({ sub: null, tenant: null })
  })

  test('a member of two tenants sees the one that is bound', () =>
    inWorld(async (tx, { ash, birch }) => {
      await tx`insert into flarewatch.members (tenant_id, user_id, role) values (${birch.id}, ${ash.viewer}, 'viewer')`
      const rows = await asGateway(tx, claimsOf(ash.viewer, birch), () => tx`select tenant_id from flarewatch.sites`)
      expect(rows.map(({ tenant_id }) => tenant_id)).toEqual([birch.id])
    }))
})

describe('A1: before TOTP is enrolled no tenant data is readable, in SQL too', () => {
  test('a member whose factor is unverified sees nothing, at any level that the token claims', () =>
    inWorld(async (tx, { ash }) => {
      for (const aal of ['aal1', 'aal2'] as const) {
        expect(await visible(tx, claimsOf(ash.unenrolled, ash, aal))).toEqual(NOTHING)
      }
    }))

  test('a factor of another kind does not count', () =>
    inWorld(async (tx, { ash }) => {
      await tx`update auth.mfa_factors set factor_type = 'phone' where user_id = ${ash.owner}`
      expect(await visible(tx, claimsOf(ash.owner, ash))).toEqual(NOTHING)
    }))

  test('losing the factor ends reading at once', () =>
    inWorld(async (tx, { ash }) => {
      await tx`delete from auth.mfa_factors where user_id = ${ash.owner}`
      expect(await visible(tx, claimsOf(ash.owner, ash))).toEqual(NOTHING)
    }))

  test('the gateway learns whether its user is enrolled, and no factor', () =>
    inWorld(async (tx, { ash }) => {
      for (const [user, enrolled] of [
        [ash.owner, true],
        [ash.unenrolled, false],
      ] as const) {
        const rows = await asGateway(tx, claimsOf(user, null), () => tx`select flarewatch.totp_enrolled() as enrolled`)
        expect(rows[0]).toEqual({ enrolled })
      }
      expect(await refusal(tx, 'flarewatch_gateway', (inner) => inner`select * from auth.mfa_factors`)).toBe(
        INSUFFICIENT_PRIVILEGE,
      )
    }))
})

describe('A2: AAL1 reads metrics and the credential line, nothing else', () => {
  test('AAL1 sees no audit row and of the members only themselves', () =>
    inWorld(async (tx, { ash }) => {
      expect(await visible(tx, claimsOf(ash.owner, ash, 'aal1'))).toEqual(at('aal1'))
    }))

  test('a level that is not aal2 counts as AAL1', () =>
    inWorld(async (tx, { ash }) => {
      for (const aal of ['aal3', 'AAL2', '', null]) {
        const claims = { sub: ash.owner, tenant_id: ash.id, aal } as unknown as Claims
        expect(await visible(tx, claims), String(aal)).toEqual(at('aal1'))
      }
    }))
})

describe('V6, T2: the gateway’s role cannot read what is sealed', () => {
  for (const column of ['ciphertext', 'wrapped_dek', 'salt', 'kek_version', 'dek_version', 'created_by']) {
    test(`credentials.${column} is refused even to an owner at AAL2`, () =>
      inWorld(async (tx, { ash }) => {
        const read = (inner: Tx) => inner`select ${inner(column)} from flarewatch.credentials`
        expect(await refusal(tx, 'flarewatch_gateway', read)).toBe(INSUFFICIENT_PRIVILEGE)
        expect(await refusal(tx, 'flarewatch_gateway', (inner) => inner`select * from flarewatch.credentials`)).toBe(
          INSUFFICIENT_PRIVILEGE,
        )
        expect(ash.owner).toBeTruthy()
      }))
  }

  test('tables of keys and mail are out of reach', () =>
    inWorld(async (tx) => {
      for (const table of OUT_OF_REACH) {
        expect(await refusal(tx, 'flarewatch_gateway', (inner) => countVisible(inner, table)), table).toBe(
          INSUFFICIENT_PRIVILEGE,
        )
      }
    }))
})

describe('T1: the gateway’s role changes nothing', () => {
  test('every write to every table is refused', () =>
    inWorld(async (tx) => {
      for (const table of [...READABLE, ...OUT_OF_REACH]) {
        const name = `flarewatch.${table}`
        const writes = [
          (inner: Tx) => inner`insert into ${inner(name)} default values`,
          (inner: Tx) => inner`delete from ${inner(name)}`,
          (inner: Tx) => inner`truncate ${inner(name)}`,
          (inner: Tx) => inner`lock table ${inner(name)} in exclusive mode`,
        ]
        for (const write of writes) {
          expect(await refusal(tx, 'flarewatch_gateway', write), table).toBe(INSUFFICIENT_PRIVILEGE)
        }
      }
    }))
})

describe('T4: Supabase’s own roles see nothing of schema flarewatch', () => {
  const roles: Role[] = ['anon', 'authenticated', 'service_role', 'authenticator', 'supabase_auth_admin']
  for (const role of roles) {
    test(`${role} is refused every table`, () =>
      inWorld(async (tx) => {
        for (const table of [...READABLE, ...OUT_OF_REACH]) {
          expect(await refusal(tx, role, (inner) => countVisible(inner, table)), table).toBe(INSUFFICIENT_PRIVILEGE)
        }
      }))
  }
})
