import { randomBytes, randomUUID } from 'node:crypto'
import { cp, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ChainVerifier } from '../domain/audit/chain.ts'
import type { AuditRow, SealedRow } from '../domain/audit/row.ts'
import type { AppendAnswer, LedgerHead } from '../domain/contracts/durable-objects.ts'
import { flushedRows } from '../local/stands/tenants.ts'
import { startVaultStand, type VaultStand } from '../local/stands/vault-stand.ts'

let stand: VaultStand
beforeAll(async () => {
  stand = await startVaultStand()
})
afterAll(() => stand?.stop())

const RELEASE = { door: 'connector', budgetPerHour: 100 } as const
const LEDGERS = join('do', 'flarewatch-durable-objects-AuditLedger')

describe('the order of rows', () => {
  it('L2 100 concurrent appends make one chain without gap or fork, and Postgres gets all of it', async () => {
    const tenant = await bornLedger()
    const answers = await Promise.all(Array.from({ length: 100 }, () => append(tenant, sealedRow(tenant))))
    expect(answers.every(({ ok }) => ok)).toBe(true)
    const verifier = new ChainVerifier(tenant)
    for (const row of await rowsOf(tenant)) expect(verifier.feed(row)).toBeNull()
    expect(verifier.head.seq).toBe(100)
    expect(await flushedRows(stand, tenant, 100)).toBe(100)
    const [head] = await stand.sql<{ hash: Uint8Array }[]>`
      select hash from flarewatch.audit_heads where tenant_id = ${tenant}`
    expect(Buffer.from(verifier.head.hash)).toEqual(Buffer.from(head?.hash ?? []))
  })

  it('L2 time never runs backwards, whatever the caller says', async () => {
    const tenant = await bornLedger()
    const first = await append(tenant, sealedRow(tenant), { at: stand.now() })
    const second = await append(tenant, sealedRow(tenant), { at: stand.now() - 86_400_000 })
    expect(second).toMatchObject({ ok: true, seq: 2, at: 'at' in first ? first.at : 0 })
  })

  it('L2 the same row again is the same place, and other content under its id is refused', async () => {
    const tenant = await bornLedger()
    const row = sealedRow(tenant)
    const first = await append(tenant, row)
    expect(await append(tenant, row)).toEqual(first)
    expect(await append(tenant, { ...row, sealed: randomBytes(400) })).toEqual({ ok: false, code: 'row_conflict' })
    expect((await head(tenant)).seq).toBe(1)
  })

  it("T4 a row of another tenant is refused, and a ledger gives its share for no other tenant's id", async () => {
    const [tenant, other] = [await bornLedger(), await bornLedger()]
    expect(await append(tenant, sealedRow(other))).toEqual({ ok: false, code: 'tenant_mismatch' })
    expect(await stand.call('AUDIT_LEDGER', tenant, 'auditShare', other)).toEqual({
      ok: false,
      code: 'tenant_mismatch',
    })
  })
})

describe('the release share', () => {
  it('L1 leaves with the row that asked for it, once', async () => {
    const tenant = await bornLedger()
    await append(tenant, sealedRow(tenant))
    const row = sealedRow(tenant)
    expect(await append(tenant, row, { release: RELEASE })).toMatchObject({ ok: true, share: expect.any(Uint8Array) })
    expect(await append(tenant, row, { release: RELEASE })).toMatchObject({ ok: false, code: 'already_released' })
    expect(await append(tenant, row)).toMatchObject({ ok: true, share: null })
  })

  it('L1 may leave again with the row of the birth, until the first other release', async () => {
    const tenant = await bornLedger()
    const birth = sealedRow(tenant)
    const first = await append(tenant, birth, { release: RELEASE })
    expect(await append(tenant, birth, { release: RELEASE })).toEqual(first)
    expect(await append(tenant, sealedRow(tenant), { release: RELEASE })).toMatchObject({ ok: true, seq: 2 })
    expect(await append(tenant, birth, { release: RELEASE })).toMatchObject({ ok: false, code: 'already_released' })
  })

  it('L1 never leaves with a row that was appended as something else', async () => {
    const tenant = await bornLedger()
    await append(tenant, sealedRow(tenant))
    const row = sealedRow(tenant)
    expect(await append(tenant, row)).toMatchObject({ ok: true, seq: 2, share: null })
    expect(await append(tenant, row, { release: RELEASE })).toMatchObject({ ok: false, code: 'already_released' })
  })

  it('V2 is not the share of the audit key', async () => {
    const tenant = await bornLedger()
    const given = (await stand.call('AUDIT_LEDGER', tenant, 'auditShare', tenant)) as { share: Uint8Array }
    const released = await append(tenant, sealedRow(tenant), { release: RELEASE })
    expect('share' in released && released.share).not.toEqual(given.share)
  })

  it('T6 a frozen tenant gets its rows and no share, until the flag is lifted', async () => {
    const tenant = await bornLedger()
    await stand.call('AUDIT_LEDGER', tenant, 'freeze', 'drill', stand.now())
    expect(await append(tenant, sealedRow(tenant), { release: RELEASE })).toMatchObject({
      ok: false,
      code: 'tenant_frozen',
      seq: 1,
    })
    expect(await append(tenant, sealedRow(tenant))).toMatchObject({ ok: true, seq: 2, share: null })
    await stand.call('AUDIT_LEDGER', tenant, 'unfreeze')
    expect(await append(tenant, sealedRow(tenant), { release: RELEASE })).toMatchObject({ ok: true, seq: 3 })
  })

  it('T6 one release over the budget of a door and hour freezes the tenant and raises an incident', async () => {
    const tenant = await bornLedger()
    const release = { door: 'connector', budgetPerHour: 2 }
    const answers = await Promise.all(Array.from({ length: 6 }, () => append(tenant, sealedRow(tenant), { release })))
    expect(answers.filter(({ ok }) => ok)).toHaveLength(2)
    expect(answers.filter((answer) => 'code' in answer && answer.code === 'budget_exceeded')).toHaveLength(1)
    expect(await head(tenant)).toMatchObject({ seq: 6, frozen: true })
    expect(await incident(tenant, 'budget_exceeded')).toMatchObject({ seq: 3, detail: { door: 'connector' } })
  })
})

describe('the feed to Postgres', () => {
  it('L1 rows are answered for while Postgres is away, survive a restart, and drain by themselves', async () => {
    const tenant = await bornLedger()
    stand.ledgerDoor.shut()
    const answers = await Promise.all(Array.from({ length: 5 }, () => append(tenant, sealedRow(tenant))))
    expect(answers.every(({ ok }) => ok)).toBe(true)
    expect((await head(tenant)).flushedSeq).toBe(0)
    await stand.restart()
    stand.ledgerDoor.open()
    // Nobody calls the ledger: its alarm feeds.
    expect(await flushedRows(stand, tenant, 5)).toBe(5)
  })

  it('L2 a ledger set back behind Postgres refuses to append, says so, and numbers nothing twice', async () => {
    const tenant = await bornLedger()
    await append(tenant, sealedRow(tenant))
    await flushedRows(stand, tenant, 1)
    const backup = join(stand.dir, 'backup')
    await stand.restart({ whileDown: (storage) => cp(join(storage, LEDGERS), backup, { recursive: true }) })
    await append(tenant, sealedRow(tenant))
    await flushedRows(stand, tenant, 2)
    await stand.restart({
      whileDown: async (storage) => {
        await rm(join(storage, LEDGERS), { recursive: true })
        await cp(backup, join(storage, LEDGERS), { recursive: true })
      },
    })
    expect(await append(tenant, sealedRow(tenant))).toEqual({ ok: false, code: 'ledger_behind' })
    expect(await head(tenant)).toMatchObject({ seq: 1, behind: true })
    expect(await incident(tenant, 'ledger_behind')).toMatchObject({ seq: 2 })
  })

  it('L2 acknowledged rows that are gone from Postgres are an incident, and are not fed again', async () => {
    const tenant = await bornLedger()
    for (let row = 0; row < 3; row += 1) await append(tenant, sealedRow(tenant))
    await flushedRows(stand, tenant, 3)
    await stand.sql.begin(async (sql) => {
      for (const table of await leafTables()) {
        await sql`alter table ${sql(table)} disable trigger user`
        await sql`delete from ${sql(table)} where tenant_id = ${tenant} and seq = 3`
        await sql`alter table ${sql(table)} enable trigger user`
      }
    })
    await stand.restart()
    await append(tenant, sealedRow(tenant))
    expect(await incident(tenant, 'audit_rows_gone')).toMatchObject({ seq: 3 })
    expect(await flushedRows(stand, tenant, 3)).toBe(3)
    const stored = await stand.sql<{ seq: string }[]>`
      select seq from flarewatch.audit_log where tenant_id = ${tenant} order by seq`
    expect(stored.map(({ seq }) => Number(seq))).toEqual([1, 2, 4])
  })
})

async function bornLedger(): Promise<string> {
  const tenant = randomUUID()
  await stand.sql`insert into flarewatch.tenants (id, name) values (${tenant}, 'Agency')`
  await stand.call('AUDIT_LEDGER', tenant, 'auditShare', tenant)
  return tenant
}

function sealedRow(tenantId: string): SealedRow {
  return {
    tenantId,
    rowId: randomUUID(),
    keyVersion: 1,
    actorTag: randomBytes(32),
    actionTag: randomBytes(32),
    targetTag: randomBytes(32),
    sealed: randomBytes(400),
  }
}

function append(
  tenant: string,
  row: SealedRow,
  { at = stand.now(), release }: { at?: number; release?: object } = {},
): Promise<AppendAnswer> {
  const request = { row, at, ...(release === undefined ? {} : { release }) }
  return stand.call('AUDIT_LEDGER', tenant, 'append', request) as Promise<AppendAnswer>
}

function head(tenant: string): Promise<LedgerHead> {
  return stand.call('AUDIT_LEDGER', tenant, 'head') as Promise<LedgerHead>
}

function rowsOf(tenant: string): Promise<AuditRow[]> {
  return stand.call('AUDIT_LEDGER', tenant, 'rowsFrom', 1, 500) as Promise<AuditRow[]>
}

async function incident(tenant: string, kind: string): Promise<{ seq: number; detail: object }> {
  for (let tries = 0; tries < 200; tries += 1) {
    const [row] = await stand.sql<{ seq: string; detail: object }[]>`
      select seq, detail from flarewatch.incidents where tenant_id = ${tenant} and kind = ${kind}`
    if (row !== undefined) return { seq: Number(row.seq), detail: row.detail }
    await new Promise((passed) => setTimeout(passed, 50))
  }
  throw new Error(`no incident ${kind}`)
}

async function leafTables(): Promise<string[]> {
  const tables = await stand.sql<{ name: string }[]>`
    select inhrelid::regclass::text as name from pg_inherits
    where inhparent = 'flarewatch.audit_log'::regclass`
  return tables.map(({ name }) => name)
}
