import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { AuditRow } from '../../domain/audit/row.ts'
import type { ConnectorDoorApi } from '../../domain/contracts/connector-door.ts'
import { CredentialId, JobId, TenantId } from '../../domain/contracts/ids.ts'
import {
  askSeal,
  bornTenant,
  leaseJob,
  mintStepUp,
  type StandTenant,
  type StoredCredential,
  storeCredential,
} from '../../local/stands/tenants.ts'
import { startVaultStand, type VaultStand } from '../../local/stands/vault-stand.ts'
import type { LeasedJob } from '../connector/job-store.ts'
import { withCredential } from '../connector/release.ts'

/**
 * What is stored sealed or wrapped, with any byte of it changed or any of it in another's place: nothing opens, the caller is told one
 * thing whatever was wrong, the log has an intent and an outcome, and the record that is put back opens again.
 */
const FULL = process.env.FLAREWATCH_SCALE === 'full'
/** Byte positions tried of each stored field at CI's scale; all of them at full scale. */
const SAMPLE = 6
const SECRET = 'cf-token-that-must-stay-secret-0001'
const REFUSED = { ok: false, code: 'not_openable', retryable: false }

let stand: VaultStand
let tenant: StandTenant
let credential: StoredCredential
let sibling: StoredCredential
let foreign: { readonly tenant: StandTenant; readonly credential: StoredCredential }

beforeAll(async () => {
  stand = await startVaultStand()
  tenant = await bornTenant(stand)
  credential = await storeCredential(stand, tenant, SECRET)
  sibling = await storeCredential(stand, tenant, SECRET)
  const other = await bornTenant(stand)
  foreign = { tenant: other, credential: await storeCredential(stand, other, SECRET) }
})
afterAll(() => stand?.stop())

describe('V3: a stored credential with one byte changed', () => {
  it.each(['salt', 'ciphertext', 'wrapped_dek'] as const)('in its %s does not open', async (column) => {
    const stored = await storedBytes(column)
    for (const position of positions(stored.length)) {
      const damaged = stored.with(position, (stored[position] ?? 0) ^ (1 << (position % 8)))
      await set(column, damaged)
      expect(await open(), `byte ${position}`).toEqual(REFUSED)
    }
    await set(column, stored)
    expect(await open()).toEqual({ ok: true, value: SECRET })
  })

  it('is an intent and an outcome in the log for each try, and no change anywhere else', async () => {
    const [before] = await stand.sql`select c::text as line from flarewatch.credentials c where id = ${credential.id}`
    const stored = await storedBytes('wrapped_dek')
    await set('wrapped_dek', stored.with(20, (stored[20] ?? 0) ^ 1))
    const size = await ledgerSize(tenant)
    await open()
    expect(await ledgerSize(tenant)).toBe(size + 2)
    await set('wrapped_dek', stored)
    const [after] = await stand.sql`select c::text as line from flarewatch.credentials c where id = ${credential.id}`
    expect(after?.line).toBe(before?.line)
  })
})

describe('V3: a stored credential in the place of another', () => {
  const columns = [
    'salt',
    'ciphertext',
    'wrapped_dek',
    'salt, ciphertext',
    'salt, wrapped_dek',
    'ciphertext, wrapped_dek',
  ]
  const sources = [
    ['another of the tenant', () => sibling.id],
    ['one of another tenant', () => foreign.credential.id],
  ] as const
  const moves = sources.flatMap(([whose, id]) =>
    [...columns, 'salt, ciphertext, wrapped_dek'].map((moved) => ({ whose, id, moved })),
  )

  it.each(moves)('$moved of $whose does not open', async ({ id, moved }) => {
    await keeping(credential.id, async () => {
      for (const column of moved.split(', '))
        await stand.sql`update flarewatch.credentials set ${stand.sql(column)} = (
          select ${stand.sql(column)} from flarewatch.credentials where id = ${id()}) where id = ${credential.id}`
      expect(await open()).toEqual(REFUSED)
    })
    expect(await open()).toEqual({ ok: true, value: SECRET })
  })

  it.each([
    ["the tenant's wrap for the credential's", 'tenant_keys', 'wrapped_dek'],
    ["the audit key's wrap for the credential's", 'audit_keys', 'wrapped_key'],
  ])('%s does not open', async (_, table, column) => {
    await keeping(credential.id, async () => {
      await stand.sql`update flarewatch.credentials set wrapped_dek = (
        select ${stand.sql(column)} from flarewatch.${stand.sql(table)} where tenant_id = ${tenant.id}) where id = ${credential.id}`
      expect(await open()).toEqual(REFUSED)
    })
  })

  it.each([
    ['dek_version', 2],
    ['kek_version', 2],
  ])('under another %s does not open', async (column, version) => {
    await keeping(credential.id, async () => {
      await stand.sql.begin(async (sql) => {
        // Past the foreign keys too.
        await sql`set local session_replication_role = replica`
        await sql`update flarewatch.credentials set ${sql(column)} = ${version} where id = ${credential.id}`
      })
      expect(await open()).toEqual(REFUSED)
    })
  })
})

describe('V3: the wraps of a tenant with one byte changed', () => {
  it("the tenant's DEK: nothing is sealed, and every refusal is the same", async () => {
    const [row] = await stand.sql<{ wrapped_dek: Uint8Array }[]>`
      select wrapped_dek from flarewatch.tenant_keys where tenant_id = ${tenant.id}`
    const stored = new Uint8Array(row?.wrapped_dek ?? [])
    const store = (bytes: Uint8Array) =>
      stand.sql`update flarewatch.tenant_keys set wrapped_dek = ${bytes} where tenant_id = ${tenant.id}`
    const answers = new Set<string>()
    for (const position of positions(stored.length)) {
      await store(stored.with(position, (stored[position] ?? 0) ^ (1 << (position % 8))))
      answers.add(await seal())
    }
    await store(stored)
    expect([...answers]).toEqual([expect.stringMatching(/^\d{3} not_openable$/)])
    expect(await seal()).toBe('200 null')
  })

  it('the audit key: nothing is written into the log, so nothing is released', async () => {
    const [row] = await stand.sql<{ wrapped_key: Uint8Array }[]>`
      select wrapped_key from flarewatch.audit_keys where tenant_id = ${tenant.id}`
    const stored = new Uint8Array(row?.wrapped_key ?? [])
    const store = (bytes: Uint8Array) =>
      stand.sql`update flarewatch.audit_keys set wrapped_key = ${bytes} where tenant_id = ${tenant.id}`
    const size = await ledgerSize(tenant)
    for (const position of positions(stored.length)) {
      await store(stored.with(position, (stored[position] ?? 0) ^ (1 << (position % 8))))
      // Longer than the vault may hold a key that it has unwrapped.
      stand.advance(5 * 60_000)
      expect(await open(), `byte ${position}`).toEqual(REFUSED)
    }
    expect(await ledgerSize(tenant)).toBe(size)
    await store(stored)
    expect(await open()).toEqual({ ok: true, value: SECRET })
  })
})

describe('V2: a share that is not the one', () => {
  it.each(['release_share', 'audit_share'])(
    '%s with one byte changed opens nothing, and put back opens all',
    async (share) => {
      const job = await leaseAgain()
      await stand.restart({ whileDown: async (storage) => flipShare(storage, tenant.id, share) })
      expect(await open(job)).toEqual(REFUSED)
      await stand.restart({ whileDown: async (storage) => flipShare(storage, tenant.id, share) })
      expect(await open(job)).toEqual({ ok: true, value: SECRET })
    },
  )
})

function positions(length: number): number[] {
  if (FULL) return Array.from({ length }, (_, position) => position)
  // The first, the last and some between.
  return Array.from({ length: SAMPLE }, (_, index) => Math.round((index * (length - 1)) / (SAMPLE - 1)))
}

type Column = 'salt' | 'ciphertext' | 'wrapped_dek'

async function storedBytes(column: Column): Promise<Uint8Array> {
  const [row] = await stand.sql<{ bytes: Uint8Array }[]>`
    select ${stand.sql(column)} as bytes from flarewatch.credentials where id = ${credential.id}`
  return new Uint8Array(row?.bytes ?? [])
}

async function set(column: Column, bytes: Uint8Array): Promise<void> {
  await stand.sql`update flarewatch.credentials set ${stand.sql(column)} = ${bytes} where id = ${credential.id}`
}

/** Runs `act` and puts the record back as it was. */
async function keeping(id: string, act: () => Promise<void>): Promise<void> {
  const [before] = await stand.sql`
    select salt, ciphertext, wrapped_dek, dek_version, kek_version from flarewatch.credentials where id = ${id}`
  try {
    await act()
  } finally {
    await stand.sql`update flarewatch.credentials set ${stand.sql(before ?? {})} where id = ${id}`
  }
}

const door: ConnectorDoorApi = {
  open: (id) => stand.call('CONNECTOR_DOOR', null, 'open', id) as ReturnType<ConnectorDoorApi['open']>,
  reseal: (id) => stand.call('CONNECTOR_DOOR', null, 'reseal', id) as ReturnType<ConnectorDoorApi['reseal']>,
  settle: (id, outcome) =>
    stand.call('CONNECTOR_DOOR', null, 'settle', id, outcome) as ReturnType<ConnectorDoorApi['settle']>,
  openEvent: (id) => stand.call('CONNECTOR_DOOR', null, 'openEvent', id) as ReturnType<ConnectorDoorApi['openEvent']>,
  sealEvents: (id, events) =>
    stand.call('CONNECTOR_DOOR', null, 'sealEvents', id, events) as ReturnType<ConnectorDoorApi['sealEvents']>,
  settleEvent: (id, outcome) =>
    stand.call('CONNECTOR_DOOR', null, 'settleEvent', id, outcome) as ReturnType<ConnectorDoorApi['settleEvent']>,
}

async function leaseAgain(): Promise<string> {
  await stand.sql`update flarewatch.jobs set state = 'done', finished_at = now() where credential_id = ${credential.id}`
  return leaseJob(stand, tenant.id, credential.id)
}

/** As the connector's store reads it. */
async function leasedJob(id: string): Promise<LeasedJob> {
  const [row] = await stand.sql<{ dek_version: number; ciphertext: Uint8Array }[]>`
    select dek_version, ciphertext from flarewatch.credentials where id = ${credential.id}`
  return {
    id: JobId.parse(id),
    tenant_id: TenantId.parse(tenant.id),
    credential_id: CredentialId.parse(credential.id),
    kind: 'poll',
    attempt: 1,
    reason: null,
    provider: 'cloudflare',
    credential_state: 'active',
    sites_seen_at: null,
    dek_version: row?.dek_version ?? 0,
    ciphertext: new Uint8Array(row?.ciphertext ?? []),
  }
}

/** All that the connector does with a credential, up to the provider: what its caller sees is what is answered here. */
async function open(id?: string): Promise<{ ok: boolean; value?: string; code?: string; retryable?: boolean }> {
  const jobId = id ?? (await leaseAgain())
  const parts = { vault: door, store: { leased: leasedJob } }
  const opened = await withCredential(parts, await leasedJob(jobId), async (secret) => secret.use((text) => text))
  if (opened.ok) return { ok: true, value: opened.value }
  if (opened.told !== null) await door.settle(JobId.parse(jobId), { succeeded: false, code: opened.told })
  return { ok: false, code: opened.code, retryable: opened.retryable }
}

/** A function that asks for what it needs to seal a new credential. */
async function seal(): Promise<string> {
  const id = crypto.randomUUID()
  const minted = await mintStepUp(stand, tenant, id)
  const { status, code } = await askSeal(stand, tenant, id, minted.body.token)
  return `${status} ${code}`
}

async function ledgerSize({ id }: StandTenant): Promise<number> {
  const rows = (await stand.call('AUDIT_LEDGER', id, 'rowsFrom', 1, 500)) as AuditRow[]
  return rows.length
}

/** Flipping it again puts it back. */
function flipShare(storage: string, tenantId: string, share: string): void {
  const folder = join(storage, 'do', 'flarewatch-durable-objects-AuditLedger')
  for (const name of readdirSync(folder).filter((file) => file.endsWith('.sqlite') && file !== 'metadata.sqlite')) {
    const database = new DatabaseSync(join(folder, name))
    const row = database.prepare(`select ${share} as share from ledger where tenant_id = ?`).get(tenantId)
    if (row?.share instanceof Uint8Array) {
      const flipped = row.share.with(0, (row.share[0] ?? 0) ^ 1)
      database.prepare(`update ledger set ${share} = ?`).run(flipped)
    }
    database.close()
  }
}
