import { readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { AuditRow } from '../../../domain/audit/row.ts'
import { type Backup, BackupWriter, parseBackup, type SealedTenant } from '../../../domain/backup/file.ts'
import { formatBackupPrivateKey, parseBackupPrivateKey } from '../../../domain/backup/key.ts'
import { openFromBackup, sealForBackup } from '../../../domain/backup/seal.ts'
import { decodeSecrets, encodeSecrets, type Shares } from '../../../domain/backup/shares.ts'
import { randomBytes, toBase64Url } from '../../../domain/bytes.ts'
import { generateHpkeKeyPair } from '../../../domain/hpke.ts'
import { generateSigner } from '../../../domain/note/signed-note.ts'
import { forgeTail, rewriteRow } from '../../../local/stands/chain-forgery.ts'
import { type RecoveryStand, startRecoveryStand } from '../../../local/stands/recovery-stand.ts'
import {
  bornTenant,
  flushedRows,
  leaseJob,
  mintStepUp,
  type StandTenant,
  storeCredential,
} from '../../../local/stands/tenants.ts'

const SECRET = 'cf-token-of-a-tenant-that-loses-its-ledger-0001'
/** Each loses its ledger once, and meets a fate of its own. */
const NAMES = [
  'plain',
  'polled',
  'frozen',
  'wrong release share',
  'wrong audit share',
  'cut',
  'rewritten',
  'behind backup',
  'added to',
  'receipted',
  'alive',
] as const
type Name = (typeof NAMES)[number]
type Agency = { readonly tenant: StandTenant; readonly credential: string; rows: readonly AuditRow[] }

let stand: RecoveryStand
let backup: Backup
let path: string
const agencies = new Map<Name, Agency>()

beforeAll(async () => {
  stand = await startRecoveryStand()
  for (const name of NAMES) {
    const tenant = await bornTenant(stand)
    agencies.set(name, { tenant, credential: (await storeCredential(stand, tenant, SECRET)).id, rows: [] })
  }
  await stand.operatorCall('tenant-freeze', { tenant_id: agency('frozen').tenant.id, reason: 'drill' })
  path = join(stand.desk, 'whole.backup')
})
afterAll(() => stand?.stop())

describe('backup keys', () => {
  it('V2 writes each tenant of the roster, sealed by its ledger, into a file that only its owner reads', async () => {
    const { status, document, stderr } = await stand.flarewatch('backup', 'keys', '--out', path)
    expect([status, document]).toMatchObject([0, { ok: true, tenants: NAMES.length, sealed: NAMES.length, failed: [] }])
    expect(stderr).toContain(`${NAMES.length} of ${NAMES.length} tenants`)
    expect(statSync(path).mode & 0o777).toBe(0o600)
    const bytes = readFileSync(path)
    const parsed = parseBackup(bytes)
    if (!parsed.ok) throw new Error(parsed.code)
    backup = parsed.value
    expect(backup.sealed.map(({ tenant_id }) => tenant_id)).toEqual(
      [...agencies.values()].map(({ tenant }) => tenant.id),
    )
    const shares = (await stand.call(
      'AUDIT_LEDGER',
      backup.sealed[0]?.tenant_id ?? '',
      'auditShare',
      backup.sealed[0]?.tenant_id,
    )) as {
      share: Uint8Array
    }
    expect(bytes.includes(toBase64Url(shares.share))).toBe(false)
    expect((await opened(line('plain'))).shares.audit).toEqual(shares.share)
  })

  it('L1 leaves a row in each chain before anything is sealed, and its outcome', async () => {
    for (const name of NAMES) {
      const rows = await stand.rows(agency(name).tenant.id)
      const index = rows.findIndex(({ rowId }) => rowId === line(name).row_id)
      expect(rows.length - index, name).toBe(2)
      expect((await opened(line(name))).seq, name).toBe(index + 1)
    }
  })

  it('T6 backs up a frozen tenant too, without the canary that needs its share', async () => {
    expect(line('frozen').canary).toBeNull()
    expect(line('plain').canary).toMatchObject({ kek_version: 1 })
  })

  it('never overwrites a file', async () => {
    const before = readFileSync(path)
    expect(await stand.flarewatch('backup', 'keys', '--out', path)).toMatchObject({
      status: 1,
      document: { ok: false, error: { code: 'file_exists' } },
    })
    expect(readFileSync(path)).toEqual(before)
  })
})

describe('restore keys', () => {
  beforeAll(async () => {
    for (const each of agencies.values()) {
      const { tenant } = each
      // Rows of after the backup: Postgres alone has them once the ledgers are gone.
      await mintStepUp(stand, tenant, tenant.id)
      each.rows = await stand.rows(tenant.id)
      await flushedRows(stand, tenant.id, each.rows.length)
    }
    await stand.loseObjects()
  })

  it('V2 has something to do: a lost ledger opens nothing, appends nothing, is an incident, and is not born again', async () => {
    const { tenant } = agency('plain')
    expect(await open('plain')).toMatchObject({ ok: false })
    expect(await stand.call('AUDIT_LEDGER', tenant.id, 'auditShare', tenant.id)).toEqual({
      ok: false,
      code: 'ledger_lost',
    })
    expect(await standing('plain')).toMatchObject({ state: 'lost', seq: 0, stored_seq: agency('plain').rows.length })
    expect(await incidents('plain')).toEqual(['ledger_lost'])
  })

  it('V2 gives the shares back, and what was stored before opens again', async () => {
    expect(await open('polled')).toMatchObject({ ok: false })
    const { status, document, stderr } = await restore(path, 'polled')
    const { tenant, rows } = agency('polled')
    const outcome = { tenant_id: tenant.id, ok: true, seq: rows.length, receipt_size: null, canary: 'opened' }
    expect([status, document]).toMatchObject([0, { ok: true, restored: 1, tenants: [outcome] }])
    expect(stderr).toContain('ok')
    expect(await open('polled')).toMatchObject({ ok: true })
    expect(await rostered()).toEqual([{ tenantId: tenant.id, firstHash: rows[0]?.hash }])
  })

  it('L2 goes on from the last row of Postgres, with a row of its own, and numbers nothing twice', async () => {
    const { tenant, rows } = agency('polled')
    const next = await stand.rows(tenant.id)
    expect(next[0]).toMatchObject({ seq: rows.length + 1, previousHash: rows.at(-1)?.hash })
    await flushedRows(stand, tenant.id, rows.length + next.length)
    expect(await standing('polled')).toMatchObject({ state: 'agrees', missing: 0 })
  })

  it('V2 never replaces live shares, whoever asks', async () => {
    expect((await restore(path, 'polled')).document.tenants).toMatchObject([{ ok: false, code: 'ledger_live' }])
    expect(await open('polled')).toMatchObject({ ok: true })
  })

  it('V2 shows by the DEK alone that the shares of a frozen tenant open', async () => {
    expect((await restore(path, 'frozen')).document.tenants).toMatchObject([{ ok: true, canary: 'absent' }])
    expect(await open('frozen')).toMatchObject({ ok: true })
  })

  // Whoever has the public half can seal a backup of their own making: it must not become the tenant's.
  it.each([
    ['wrong release share', 'not_openable', (shares: Shares) => ({ ...shares, release: randomBytes(32) })],
    ['wrong audit share', 'not_openable', (shares: Shares) => ({ ...shares, audit: randomBytes(32) })],
  ] as const)('V2 with a %s does not go live, and the right backup still helps', async (name, code, change) => {
    const forged = await forgedBackup(name, change)
    expect((await restore(forged, name)).document.tenants).toMatchObject([{ ok: false, code }])
    expect(await standing(name)).toMatchObject({ state: 'unproven' })
    expect(await open(name)).toMatchObject({ ok: false })
    expect(await rostered()).not.toContainEqual(expect.objectContaining({ tenantId: agency(name).tenant.id }))
    await settle(name)
    expect((await restore(path, name)).document.tenants).toMatchObject([{ ok: true, canary: 'opened' }])
    expect(await open(name)).toMatchObject({ ok: true })
  })

  it('L2 refuses where Postgres is behind the newest receipt, as an incident', async () => {
    const { tenant, rows } = agency('cut')
    const receipt = await stand.receipt(rows, rows.length)
    await stand.unguarded(
      (sql) => sql`delete from flarewatch.audit_log where tenant_id = ${tenant.id} and seq = ${rows.length}`,
    )
    expect(await restoreWith('cut', receipt)).toMatchObject({ code: 'postgres_behind' })
    expect(await incidents('cut')).toContain('postgres_behind')
    expect(await standing('cut')).toMatchObject({ state: 'lost' })
  })

  it('L2 refuses where Postgres lacks rows that the backup saw', async () => {
    const { tenant } = agency('behind backup')
    await stand.unguarded((sql) => sql`delete from flarewatch.audit_log where tenant_id = ${tenant.id} and seq > 2`)
    expect((await restore(path, 'behind backup')).document.tenants).toMatchObject([{ code: 'postgres_behind' }])
    expect(await incidents('behind backup')).toContain('postgres_behind')
  })

  it('L2 refuses a chain that was rewritten with hashes recomputed, by the receipt, by the backup, and a broken one', async () => {
    const { tenant, rows } = agency('rewritten')
    const receipt = await stand.receipt(rows, rows.length)
    await stand.unguarded((sql) => rewriteRow(sql, tenant.id, rows.length))
    expect(await restoreWith('rewritten', receipt)).toMatchObject({ code: 'receipt_contradicted' })
    await stand.unguarded((sql) => rewriteRow(sql, tenant.id, 2))
    expect(await restoreWith('rewritten', null)).toMatchObject({ code: 'backup_contradicted' })
    await stand.unguarded(
      (sql) => sql`update flarewatch.audit_log set actor_tag = action_tag where tenant_id = ${tenant.id} and seq = 3`,
    )
    expect(await restoreWith('rewritten', null)).toMatchObject({ code: 'chain_broken' })
    expect(await incidents('rewritten')).toEqual(['receipt_contradicted', 'backup_contradicted', 'chain_broken'])
  })

  it('L2 refuses rows that hash well and that our key did not seal', async () => {
    const { tenant, rows } = agency('added to')
    await stand.unguarded((sql) => forgeTail(sql, tenant.id, 'new'))
    expect((await restore(path, 'added to')).document.tenants).toMatchObject([{ code: 'rows_not_ours' }])
    await stand.unguarded(async (sql) => {
      await sql`delete from flarewatch.audit_log where tenant_id = ${tenant.id} and seq > ${rows.length}`
      await forgeTail(sql, tenant.id, 'copy')
    })
    expect((await restore(path, 'added to')).document.tenants).toMatchObject([{ code: 'rows_not_ours' }])
    expect(await incidents('added to')).toEqual(['rows_not_ours', 'rows_not_ours'])
    await stand.unguarded(async (sql) => {
      await sql`delete from flarewatch.audit_log where tenant_id = ${tenant.id} and seq > ${rows.length}`
      await sql`update flarewatch.audit_heads set seq = ${rows.length}, hash = ${rows.at(-1)?.hash ?? null}
        where tenant_id = ${tenant.id}`
    })
    expect((await restore(path, 'added to')).document.tenants).toMatchObject([{ ok: true, seq: rows.length }])
    await settle('added to')
  })

  it('L2 takes a receipt for nothing that our log did not sign, and agrees with one that it did', async () => {
    const { rows } = agency('receipted')
    const forged = await stand.receipt(rows, 3, await generateSigner('flarewatch.test/log'))
    expect(await restoreWith('receipted', forged)).toMatchObject({ code: 'receipt_invalid' })
    expect(await restoreWith('receipted', await stand.receipt(agency('plain').rows, 3))).toMatchObject({
      code: 'receipt_invalid',
    })
    stand.publishReceipt(agency('receipted').tenant.id, await stand.receipt(rows, rows.length))
    const args = ['--key', stand.backupKeyPath, '--tenant', agency('receipted').tenant.id]
    const { document } = await stand.flarewatch('restore', 'keys', path, ...args, '--gateway', stand.gatewayUrl)
    expect(document.tenants).toMatchObject([{ ok: true, receipt_size: rows.length }])
  })

  it('V2 takes shares once under an offer, and under no other', async () => {
    const [stale, fresh] = [await offer('alive'), await offer('alive')]
    expect(await restoreWith('alive', null, stale)).toMatchObject({ code: 'offer_unknown' })
    expect(await restoreWith('alive', null, { ...fresh, public_key: stale.public_key })).toMatchObject({
      code: 'not_openable',
    })
    expect(await restoreWith('alive', null, fresh)).toMatchObject({ code: 'offer_unknown' })
    const late = await offer('alive')
    stand.advance(5 * 60_000 + 1000)
    expect(await restoreWith('alive', null, late)).toMatchObject({ code: 'offer_unknown' })
    expect(await standing('alive')).toMatchObject({ state: 'lost' })
  })

  it('opens nothing with another key, and restores nothing from a file that was cut', async () => {
    const otherKey = join(stand.desk, 'other.key')
    writeFileSync(otherKey, formatBackupPrivateKey((await generateHpkeKeyPair()).privateKey))
    const cut = join(stand.desk, 'cut.backup')
    writeFileSync(cut, readFileSync(path).subarray(0, -70))
    const with_ = (file: string, key: string) =>
      stand.flarewatch('restore', 'keys', file, '--key', key, '--without-receipts')
    expect((await with_(path, otherKey)).document.error?.code).toBe('backup_key_mismatch')
    expect((await with_(cut, stand.backupKeyPath)).document.error?.code).toBe('backup_truncated')
    expect((await with_(path, path)).document.error?.code).toBe('backup_key_malformed')
    expect(await standing('alive')).toMatchObject({ state: 'lost' })
  })

  it('asks for the receipts before anything else, unless told to go without', async () => {
    const { document } = await stand.flarewatch('restore', 'keys', path, '--key', stand.backupKeyPath)
    expect(document.error?.code ?? (document.tenants as { code: string }[])[0]?.code).toBe('usage')
  })
})

function agency(name: Name): Agency {
  const found = agencies.get(name)
  if (found === undefined) throw new Error(`no agency ${name}`)
  return found
}

function line(name: Name): SealedTenant {
  const found = backup.sealed.find(({ tenant_id }) => tenant_id === agency(name).tenant.id)
  if (found === undefined) throw new Error(`the backup has no ${name}`)
  return found
}

async function backupKeys() {
  const text = readFileSync(stand.backupKeyPath, 'utf8').split('\n')[1] ?? ''
  const pair = await parseBackupPrivateKey(text)
  if (!pair.ok) throw new Error(pair.code)
  return pair.value
}

async function opened({ tenant_id, sealed }: SealedTenant) {
  const { privateKey } = await backupKeys()
  const context = { purpose: 'tenant-shares', tenantId: tenant_id, backupId: backup.backup_id } as const
  const plaintext = await openFromBackup({ privateKey, context, sealed })
  const secrets = plaintext.ok ? decodeSecrets(plaintext.value) : plaintext
  if (!secrets.ok) throw new Error(secrets.code)
  return secrets.value
}

/** A backup of one tenant with other shares, sealed to the right key. */
async function forgedBackup(name: Name, change: (shares: Shares) => Shares): Promise<string> {
  const [genuine, { publicKey }] = [line(name), await backupKeys()]
  const secrets = await opened(genuine)
  const context = { purpose: 'tenant-shares', tenantId: genuine.tenant_id, backupId: backup.backup_id } as const
  const plaintext = encodeSecrets({ ...secrets, shares: change(secrets.shares) })
  const { backup_id, key_id, created_at } = backup
  const writer = new BackupWriter()
  const file = join(stand.desk, `${name}.backup`)
  const lines = [
    writer.header({ backup_id, key_id, created_at, tenants: 1 }),
    writer.sealed({ ...genuine, sealed: await sealForBackup({ publicKey, context, plaintext }) }),
    writer.closing(),
  ]
  writeFileSync(file, lines.join(''))
  return file
}

function restore(file: string, name: Name) {
  const { id } = agency(name).tenant
  return stand.flarewatch('restore', 'keys', file, '--key', stand.backupKeyPath, '--tenant', id, '--without-receipts')
}

type Offer = { readonly offer_id: string; readonly public_key: string }

async function offer(name: Name): Promise<Offer> {
  const { body } = await stand.operatorCall('restore-offer', { tenant_id: agency(name).tenant.id })
  return { offer_id: String(body.offer_id), public_key: String(body.public_key) }
}

/** What the command asks of the vault, with a receipt of the test's choice. */
async function restoreWith(name: Name, receipt: string | null, given?: Offer) {
  const { offer_id, public_key } = given ?? (await offer(name))
  const [{ tenant_id, canary }, secrets] = [line(name), await opened(line(name))]
  const context = { purpose: 'restored-shares', tenantId: tenant_id, offerId: offer_id } as const
  const plaintext = new Uint8Array([...secrets.shares.audit, ...secrets.shares.release])
  const publicKey = new Uint8Array(Buffer.from(public_key, 'base64url'))
  return stand.operatorCall('restore-tenant', {
    tenant_id,
    offer_id,
    sealed: toBase64Url(await sealForBackup({ publicKey, context, plaintext })),
    backup_id: backup.backup_id,
    seq: secrets.seq,
    hash: toBase64Url(secrets.hash),
    birth_hash: toBase64Url(secrets.birthHash),
    canary: canary === null ? null : { ...canary, wrapped: toBase64Url(canary.wrapped) },
    receipt,
  })
}

async function open(name: Name): Promise<unknown> {
  const { tenant, credential } = agency(name)
  await stand.sql`delete from flarewatch.jobs where credential_id = ${credential}`
  return stand.call('CONNECTOR_DOOR', null, 'open', await leaseJob(stand, tenant.id, credential))
}

async function standing(name: Name): Promise<unknown> {
  return (await stand.operatorCall('ledger-status', { tenant_id: agency(name).tenant.id })).body
}

/** Until Postgres has what the ledger has: a proof that failed may have left rows. */
async function settle(name: Name): Promise<void> {
  const { id } = agency(name).tenant
  const { seq } = (await stand.call('AUDIT_LEDGER', id, 'head')) as { seq: number }
  await flushedRows(stand, id, seq)
}

async function incidents(name: Name): Promise<string[]> {
  const rows = await stand.sql<{ kind: string }[]>`
    select kind from flarewatch.incidents where tenant_id = ${agency(name).tenant.id} order by at`
  return rows.map(({ kind }) => kind)
}

async function rostered(): Promise<object[]> {
  const page = (await stand.call('TENANT_ROSTER', 'roster', 'list', null)) as {
    entries: { tenantId: string; firstHash: Uint8Array }[]
  }
  return page.entries.map(({ tenantId, firstHash }) => ({ tenantId, firstHash }))
}
