import { randomBytes, randomUUID } from 'node:crypto'
import { cp, readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ChainVerifier } from '../domain/audit/chain.ts'
import type { AuditRow, SealedRow } from '../domain/audit/row.ts'
import type { AppendAnswer, LedgerHead, ShredAnswer, Shredding } from '../domain/contracts/durable-objects.ts'
import { shareCheckValue } from '../domain/note/shredding.ts'
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

describe('a shredded ledger', () => {
  const digest = randomBytes(32).toString('base64')
  const inventory = {
    deks: [{ version: 1, kek_version: 1, wrap: digest }],
    audit_keys: [],
    credentials: { count: 3, wraps: digest },
  }
  const shred = (tenant: string, row: SealedRow) =>
    stand.call('AUDIT_LEDGER', tenant, 'shred', { row, at: stand.now(), inventory }) as Promise<ShredAnswer>

  it('V2 has its last row, names its shares, and gives neither share, row nor release any more', async () => {
    const tenant = await bornLedger()
    const given = (await stand.call('AUDIT_LEDGER', tenant, 'auditShare', tenant)) as { share: Uint8Array }
    const birth = sealedRow(tenant)
    const released = await append(tenant, birth, { release: RELEASE })
    if (!('share' in released) || released.share === null) throw new Error('no share')
    const last = await shred(tenant, sealedRow(tenant))
    expect(last).toMatchObject({
      ok: true,
      seq: 2,
      releaseShare: shareCheckValue(released.share),
      auditShare: shareCheckValue(given.share),
      inventory,
    })
    const refused = { ok: false, code: 'tenant_shredded' }
    expect(await stand.call('AUDIT_LEDGER', tenant, 'auditShare', tenant)).toEqual(refused)
    expect(await append(tenant, sealedRow(tenant))).toEqual(refused)
    expect(await append(tenant, sealedRow(tenant), { release: RELEASE })).toEqual(refused)
    // Not even with the row of the birth, which could be asked for again while the tenant lived.
    expect(await append(tenant, birth, { release: RELEASE })).toEqual(refused)
    expect(await head(tenant)).toMatchObject({ seq: 2 })
    expect(await flushedRows(stand, tenant, 2)).toBe(2)
  })

  it('V2 is shredded once, whoever asks again, and has no share on its disk', async () => {
    const tenant = await bornLedger()
    const first = await shred(tenant, sealedRow(tenant))
    stand.advance(60_000)
    expect(await shred(tenant, sealedRow(tenant))).toEqual(first)
    const { ok: _, ...shredding } = first as { ok: true } & Shredding
    expect(await stand.call('AUDIT_LEDGER', tenant, 'shredding')).toEqual(shredding)
    await stand.restart({
      whileDown: async (storage) => {
        const zeros = { audit_share: new Uint8Array(32), release_share: new Uint8Array(32) }
        expect(await sharesOnDisk(join(storage, LEDGERS), tenant)).toEqual([zeros])
      },
    })
    expect(await stand.call('AUDIT_LEDGER', tenant, 'shredding')).toEqual(shredding)
    expect((await rowsOf(tenant)).length).toBe(1)
  })

  it('L1 takes no half of it: a row that is refused leaves the shares', async () => {
    const [tenant, other] = [await bornLedger(), await bornLedger()]
    expect(await shred(tenant, sealedRow(other))).toEqual({ ok: false, code: 'tenant_mismatch' })
    expect(await stand.call('AUDIT_LEDGER', tenant, 'shredding')).toBeNull()
    expect(await append(tenant, sealedRow(tenant), { release: RELEASE })).toMatchObject({ ok: true })
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

async function sharesOnDisk(folder: string, tenant: string): Promise<unknown[]> {
  const found: unknown[] = []
  for (const file of (await readdir(folder)).filter((name) => name.endsWith('.sqlite'))) {
    const database = new DatabaseSync(join(folder, file), { readOnly: true })
    try {
      const isLedger = database.prepare("select 1 from sqlite_master where name = 'ledger'").get() !== undefined
      if (!isLedger) continue
      const row = database.prepare('select audit_share, release_share from ledger where tenant_id = ?').get(tenant)
      if (row !== undefined) found.push({ ...row })
    } finally {
      database.close()
    }
  }
  return found
}
