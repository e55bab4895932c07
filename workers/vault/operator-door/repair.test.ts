import { DatabaseSync } from 'node:sqlite'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { AuditRow } from '../../../domain/audit/row.ts'
import { genesisHash } from '../../../domain/audit/row.ts'
import { toHex } from '../../../domain/bytes.ts'
import { forgeTail, rewriteRow } from '../../../local/stands/chain-forgery.ts'
import { type RecoveryStand, startRecoveryStand } from '../../../local/stands/recovery-stand.ts'
import { bornTenant, flushedRows, mintStepUp, type StandTenant } from '../../../local/stands/tenants.ts'
import type { OperatorAnswer } from '../../../local/stands/vault-stand.ts'

let stand: RecoveryStand
beforeAll(async () => {
  stand = await startRecoveryStand()
})
afterAll(() => stand?.stop())

describe('L2 rows that Postgres acknowledged and lost', () => {
  it('come back by the operator’s act from the ledger, wherever they are gone, and the act is a row', async () => {
    const { id } = await chainOf(7)
    await lose(id, [2, 3, 6, 7])
    expect(await standing(id)).toMatchObject({ state: 'rows_gone', seq: 7, stored_seq: 5, missing: 4 })
    const { status, document } = await stand.flarewatch('ledger', 'refeed', id)
    expect([status, document]).toMatchObject([0, { ok: true, refed: 4, missing: 0, state: 'agrees' }])
    const rows = await stand.rows(id)
    expect(rows).toHaveLength(8)
    expect(rows[7]?.rowId).toBe(document.act_row)
    await expectSameChain(id, rows)
    expect(await refeed(id)).toMatchObject({ code: null, body: { refed: 0 } })
  })

  it('come back where the head was set back with them', async () => {
    const { id } = await chainOf(5)
    await lose(id, [2, 4, 5])
    await stand.sql`update flarewatch.audit_heads set (seq, hash, epoch, at) = (
      select seq, hash, epoch, at from flarewatch.audit_log where tenant_id = ${id} and seq = 3) where tenant_id = ${id}`
    expect(await refeed(id)).toMatchObject({ code: null, body: { refed: 3 } })
    await expectSameChain(id, await stand.rows(id))
  })

  it('come back from an emptied chain', async () => {
    const { id } = await chainOf(4)
    await lose(id, [1, 2, 3, 4])
    expect(await standing(id)).toMatchObject({ state: 'rows_gone', stored_seq: null, missing: 4 })
    expect(await refeed(id)).toMatchObject({ code: null, body: { refed: 4 } })
    await expectSameChain(id, await stand.rows(id))
  })

  it('stay away where what is left does not name them, and that is an incident', async () => {
    const { id } = await chainOf(6)
    await lose(id, [3, 4])
    await stand.unguarded(
      (sql) => sql`update flarewatch.audit_log set previous_hash = sha256('x') where tenant_id = ${id} and seq = 5`,
    )
    expect(await refeed(id)).toMatchObject({ code: 'refeed_refused' })
    expect(await incidents(id)).toContain('refeed_refused')
    expect(await stored(id)).toEqual([1, 2, 5, 6, 7])
  })

  it('stay away where the head is another, and the act itself is refused', async () => {
    const { id } = await chainOf(5)
    await stand.unguarded((sql) => rewriteRow(sql, id, 4))
    await lose(id, [2])
    expect(await refeed(id)).toMatchObject({ code: 'refeed_refused' })
    expect(await incidents(id)).toContain('refeed_refused')
    expect(await stored(id)).toEqual([1, 3, 4, 5])
  })

  it('are not missed where their month has left by retention, and the ledger keeps row 1 alone of it', async () => {
    const { id } = await chainOf(5)
    await lose(id, [1, 2, 3])
    await stand.whileLedgersDown((files) => forgetRows(files, id, [2, 3]))
    expect(await standing(id)).toMatchObject({ state: 'agrees', missing: 0 })
    expect(await refeed(id)).toMatchObject({ code: null, body: { refed: 0 } })
    expect(await stored(id)).toEqual([4, 5, 6])
  })

  it('are never fed again without the act', async () => {
    const { id } = await chainOf(3)
    await lose(id, [2])
    await stand.restart()
    await mintStepUp(stand, await tenantOf(id), id)
    await flushedRows(stand, id, 3)
    expect(await stored(id)).toEqual([1, 3, 4])
    expect(await standing(id)).toMatchObject({ state: 'rows_gone', missing: 1 })
  })
})

describe('L2 a ledger that lost history', () => {
  let tenants: Record<'sound' | 'forged' | 'copied' | 'broken' | 'receipted' | 'forked', StandTenant>
  beforeAll(async () => {
    const names = ['sound', 'forged', 'copied', 'broken', 'receipted', 'forked'] as const
    tenants = Object.fromEntries(
      await Promise.all(names.map(async (name) => [name, await chainOf(3)])),
    ) as typeof tenants
    await stand.keepLedgers('ledgers')
    for (const tenant of Object.values(tenants)) {
      for (let more = 0; more < 2; more += 1) await mintStepUp(stand, tenant, tenant.id)
      await flushedRows(stand, tenant.id, 5)
    }
    await stand.setLedgersBack('ledgers')
  })

  it('appends nothing, and says where it stands', async () => {
    const { id } = tenants.sound
    expect(await mintStepUp(stand, tenants.sound, id)).toMatchObject({ code: 'ledger_unreachable' })
    const { status, document } = await stand.flarewatch('ledger', 'status', id)
    expect([status, document]).toMatchObject([1, { ok: false, state: 'behind', seq: 3, stored_seq: 5 }])
    expect(await refeed(id)).toMatchObject({ code: 'ledger_behind' })
  })

  it('takes over the chain of Postgres by the operator’s act, which is the next row, and numbers nothing twice', async () => {
    const { id } = tenants.sound
    const { status, document } = await stand.flarewatch('ledger', 'adopt', id, '--without-receipts')
    expect([status, document]).toMatchObject([
      0,
      { ok: true, from_seq: 3, adopted_seq: 5, receipt_size: null, carried: 0 },
    ])
    expect((await mintStepUp(stand, tenants.sound, id)).code).toBeNull()
    await flushedRows(stand, id, 7)
    await expectUnbroken(id, 7)
    const rows = await stand.rows(id)
    expect(rows.find(({ seq }) => seq === 6)?.rowId).toBe(document.row_id)
    expect(await standing(id)).toMatchObject({ state: 'agrees' })
    expect(await adopt(id)).toMatchObject({ code: 'not_behind' })
  })

  it.each([
    ['forged', 'new'],
    ['copied', 'copy'],
  ] as const)('does not take over a row that was %s in Postgres', async (name, kind) => {
    const { id } = tenants[name]
    await stand.unguarded((sql) => forgeTail(sql, id, kind))
    await behind(name)
    expect(await adopt(id)).toMatchObject({ code: 'rows_not_ours' })
    expect(await incidents(id)).toContain('rows_not_ours')
    expect(await standing(id)).toMatchObject({ state: 'behind', seq: 3 })
  })

  it('does not take over a chain that is broken, cut off since it was seen, or other than the ledger’s own part of it', async () => {
    const { id } = tenants.broken
    await behind('broken')
    await lose(id, [4])
    expect(await adopt(id)).toMatchObject({ code: 'chain_broken' })
    await stand.unguarded((sql) => sql`delete from flarewatch.audit_log where tenant_id = ${id} and seq = 5`)
    expect(await adopt(id)).toMatchObject({ code: 'postgres_behind' })
    expect(await incidents(id)).toContain('postgres_behind')
    await behind('forked')
    await stand.unguarded((sql) => rewriteRow(sql, tenants.forked.id, 2))
    expect(await adopt(tenants.forked.id)).toMatchObject({ code: 'ledger_contradicted' })
    expect(await incidents(tenants.forked.id)).toContain('ledger_contradicted')
  })

  it('does not take over a chain that the newest receipt contradicts, or that is shorter', async () => {
    const { id } = tenants.receipted
    await behind('receipted')
    const rows = await storedRows(id)
    const longer = [...rows, { ...rows[4], seq: 6 } as AuditRow]
    expect(await adopt(id, await stand.receipt(longer, 6))).toMatchObject({ code: 'postgres_behind' })
    const other = rows.map((row, index) => (index === 4 ? { ...row, hash: row.previousHash } : row))
    expect(await adopt(id, await stand.receipt(other, 5))).toMatchObject({ code: 'receipt_contradicted' })
    expect(await adopt(id, await stand.receipt(rows, 5))).toMatchObject({ code: null, body: { receipt_size: 5 } })
  })

  /** The ledger notices at its first act. */
  async function behind(name: keyof typeof tenants): Promise<void> {
    const tenant = tenants[name]
    expect(await mintStepUp(stand, tenant, tenant.id)).toMatchObject({ code: 'ledger_unreachable' })
  }
})

describe('L1 rows that only a ledger has which lost history', () => {
  it('follow the operator’s act under new numbers, as they were sealed', async () => {
    const tenant = await chainOf(3)
    const { id } = tenant
    await stand.keepLedgers('before')
    await mintStepUp(stand, tenant, id)
    await flushedRows(stand, id, 4)
    // Set back, and at once without Postgres: it numbers a second row 4 before it can know better.
    stand.ledgerDoor.shut()
    await stand.setLedgersBack('before')
    expect((await mintStepUp(stand, tenant, id)).code).toBeNull()
    const [orphan] = (await stand.rows(id)).slice(-1)
    stand.ledgerDoor.open()
    expect(await untilBehind(id)).toMatchObject({ seq: 4, stored_seq: 4 })
    expect(await adopt(id)).toMatchObject({ code: null, body: { adopted_seq: 4, carried: 1 } })
    await flushedRows(stand, id, 6)
    await expectUnbroken(id, 6)
    const last = (await storedRows(id))[5]
    expect(last).toMatchObject({ seq: 6, rowId: orphan?.rowId, sealed: Buffer.from(orphan?.sealed ?? []) })
  })
})

describe('L1 while Postgres is away', () => {
  const freeze = (id: string) => stand.operatorCall('tenant-freeze', { tenant_id: id, reason: 'outage' })

  it('rows are sealed for the 5 minutes that the vault holds the audit key, no longer, and drain by themselves', async () => {
    const { id } = await chainOf(2)
    stand.vaultDoor.shut()
    stand.ledgerDoor.shut()
    expect((await freeze(id)).body.row_id).toEqual(expect.any(String))
    stand.advance(4 * 60_000 + 50_000)
    expect((await freeze(id)).body.row_id).toEqual(expect.any(String))
    stand.advance(20_000)
    expect((await freeze(id)).body).toEqual({ frozen: true, row_id: null })
    expect(await standing(id)).toMatchObject({ state: 'postgres_unreachable', seq: 4, flushed_seq: 2 })
    stand.vaultDoor.open()
    stand.ledgerDoor.open()
    expect(await flushedRows(stand, id, 4)).toBe(4)
    expect(await standing(id)).toMatchObject({ state: 'agrees', missing: 0 })
  })

  it('250,000 rows may wait in a ledger; the next is refused, and none is lost', async () => {
    const { id } = await chainOf(2)
    stand.ledgerDoor.shut()
    await stand.whileLedgersDown((files) => pretendWaiting(files, id, 249_999))
    const act = { ...(await rowLike(id)), rowId: '00000000-0000-4000-8000-000000000001' }
    expect(await append(id, act)).toMatchObject({ ok: true, seq: 250_002 })
    const next = { ...act, rowId: '00000000-0000-4000-8000-000000000002' }
    expect(await append(id, next)).toEqual({ ok: false, code: 'ledger_full' })
    expect(await append(id, act)).toMatchObject({ ok: true, seq: 250_002 })
    expect(await standing(id)).toMatchObject({ seq: 250_002, flushed_seq: 2 })
    stand.ledgerDoor.open()
  })
})

const known = new Map<string, StandTenant>()

async function chainOf(length: number): Promise<StandTenant> {
  const tenant = await bornTenant(stand)
  known.set(tenant.id, tenant)
  for (let row = 1; row < length; row += 1) await mintStepUp(stand, tenant, tenant.id)
  await flushedRows(stand, tenant.id, length)
  return tenant
}

async function tenantOf(id: string): Promise<StandTenant> {
  const tenant = known.get(id)
  if (tenant === undefined) throw new Error('an unknown tenant')
  return tenant
}

function lose(id: string, seqs: readonly number[]): Promise<void> {
  return stand.unguarded(
    (sql) => sql`delete from flarewatch.audit_log where tenant_id = ${id} and seq = any(${[...seqs]}::bigint[])`,
  )
}

/** Every page of it, as the command asks. */
async function refeed(id: string): Promise<OperatorAnswer> {
  return stand.operatorCall('ledger-refeed', { tenant_id: id, act_row: null, below: null })
}

function adopt(id: string, receipt: string | null = null): Promise<OperatorAnswer> {
  return stand.operatorCall('ledger-adopt', { tenant_id: id, receipt })
}

async function standing(id: string): Promise<Record<string, unknown>> {
  return (await stand.operatorCall('ledger-status', { tenant_id: id })).body
}

async function untilBehind(id: string): Promise<Record<string, unknown>> {
  for (let tries = 0; tries < 200; tries += 1) {
    const now = await standing(id)
    const { behind } = (await stand.call('AUDIT_LEDGER', id, 'head')) as { behind: boolean }
    if (behind) return now
    await new Promise((passed) => setTimeout(passed, 50))
  }
  throw new Error('the ledger never noticed')
}

async function incidents(id: string): Promise<string[]> {
  const rows = await stand.sql<{ kind: string }[]>`select kind from flarewatch.incidents where tenant_id = ${id}`
  return rows.map(({ kind }) => kind)
}

async function stored(id: string): Promise<number[]> {
  return (await storedRows(id)).map(({ seq }) => seq)
}

async function storedRows(id: string): Promise<AuditRow[]> {
  const rows = await stand.sql<
    { seq: string; row_id: string; hash: Uint8Array; previous_hash: Uint8Array; sealed: Uint8Array; at: Date }[]
  >`select seq, row_id, hash, previous_hash, sealed, at from flarewatch.audit_log where tenant_id = ${id} order by seq`
  return rows.map((row) => ({
    tenantId: id,
    seq: Number(row.seq),
    rowId: row.row_id,
    hash: row.hash,
    previousHash: row.previous_hash,
    sealed: row.sealed,
    at: row.at.getTime(),
  })) as AuditRow[]
}

/** What Postgres stores is what the ledger keeps, row for row, and its head is the last. */
async function expectSameChain(id: string, rows: readonly AuditRow[]): Promise<void> {
  await flushedRows(stand, id, rows.length)
  const inPostgres = await storedRows(id)
  expect(inPostgres.map(({ seq, hash }) => [seq, toHex(hash)])).toEqual(rows.map(({ seq, hash }) => [seq, toHex(hash)]))
  await expectUnbroken(id, rows.length)
}

async function expectUnbroken(id: string, length: number): Promise<void> {
  const rows = await storedRows(id)
  expect(rows.map(({ seq }) => seq)).toEqual(Array.from({ length }, (_, index) => index + 1))
  for (const [index, { previousHash }] of rows.entries()) {
    expect(toHex(previousHash)).toBe(toHex(rows[index - 1]?.hash ?? genesisHash(id)))
  }
  const [head] = await stand.sql<{ seq: string; hash: Uint8Array }[]>`
    select seq, hash from flarewatch.audit_heads where tenant_id = ${id}`
  expect([Number(head?.seq), toHex(head?.hash ?? new Uint8Array())]).toEqual([
    length,
    toHex(rows.at(-1)?.hash ?? new Uint8Array()),
  ])
}

/** A head so far ahead of what Postgres acknowledged: what a long outage leaves, without the days that it takes. */
function pretendWaiting(files: readonly string[], id: string, waiting: number): void {
  for (const file of files) {
    const database = new DatabaseSync(file)
    database.prepare('UPDATE ledger SET seq = seq + ? WHERE tenant_id = ?').run(waiting, id)
    database.close()
  }
}

/** What 35 days do. */
function forgetRows(files: readonly string[], id: string, seqs: readonly number[]): void {
  for (const file of files) {
    const database = new DatabaseSync(file)
    for (const seq of seqs) {
      database.prepare('DELETE FROM rows WHERE seq = ? AND (SELECT tenant_id FROM ledger) = ?').run(seq, id)
    }
    database.close()
  }
}

async function rowLike(id: string) {
  const [row] = await stand.rows(id)
  if (row === undefined) throw new Error('no row to copy')
  const { tenantId, keyVersion, actorTag, actionTag, targetTag, sealed } = row
  return { tenantId, keyVersion, actorTag, actionTag, targetTag, sealed }
}

function append(id: string, row: object): Promise<unknown> {
  return stand.call('AUDIT_LEDGER', id, 'append', { row, at: stand.now() })
}
