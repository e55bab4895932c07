import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { backupKeyId, formatBackupPublicKey } from '../../../domain/backup/key.ts'
import { openFromBackup } from '../../../domain/backup/seal.ts'
import { toBase64Url } from '../../../domain/bytes.ts'
import type { OpenedCredential } from '../../../domain/contracts/connector-door.ts'
import { SEALS_IN_FLIGHT_MS } from '../../../domain/contracts/kek-versions.ts'
import { type KekLine, OperatorOperations } from '../../../domain/contracts/operator-door.ts'
import { OPERATOR_KEY_NAME } from '../../../domain/envelope/census.ts'
import { generateKek } from '../../../domain/envelope/kek.ts'
import { openRecord } from '../../../domain/envelope/record.ts'
import { generateHpkeKeyPair } from '../../../domain/hpke.ts'
import { signerOfSeed } from '../../../domain/note/keys.ts'
import { signNote } from '../../../domain/note/signed-note.ts'
import {
  askSeal,
  bornTenant,
  bytes,
  leaseJob,
  mintStepUp,
  type StandTenant,
  type StoredCredential,
  storeCredential,
} from '../../../local/stands/tenants.ts'
import { startVaultStand, type VaultStand } from '../../../local/stands/vault-stand.ts'

const SECRET = 'cf-token-that-outlives-its-kek-0001'
const DAY = 24 * 3_600_000
const SIGNING_AGE = 5 * 60_000

let backup: Awaited<ReturnType<typeof generateHpkeKeyPair>>
let stand: VaultStand
beforeAll(async () => {
  backup = await generateHpkeKeyPair()
  stand = await startVaultStand({ vault: { BACKUP_PUBLIC_KEY: formatBackupPublicKey(backup.publicKey) } })
})
afterAll(() => stand?.stop())

const keks: Record<string, string> = {}
/** A deployment: new isolates, with every KEK that was ever made but those that are left out. */
const deploy = (without: readonly string[] = []) =>
  stand.restart({
    bindings: Object.fromEntries([...Object.entries(keks), ...without.map((name) => [name, null])]) as never,
  })
const operator = (op: Parameters<VaultStand['operatorCall']>[0], body: object) => stand.operatorCall(op, body)

describe('V4 a rotation, step by step', () => {
  let tenant: StandTenant
  let first: StoredCredential
  let wrapUnderOne: { kek_version: number; wrapped_dek: Uint8Array }

  it('a version that was only deployed neither wraps nor counts as known', async () => {
    tenant = await bornTenant(stand)
    first = await storeCredential(stand, tenant, SECRET)
    expect((await status()).map(({ version, state }) => [version, state])).toEqual([[1, 'wrapping']])
    keks.KEK_V2 = toBase64Url(generateKek())
    await deploy()
    expect((await status()).map(({ version, state }) => [version, state])).toEqual([[1, 'wrapping']])
    await storeCredential(stand, tenant, SECRET)
    expect((await operator('kek-promote', { version: 2 })).code).toBe('kek_unknown')
  })

  it('an isolate that lacks the version says "ask again", to the operator and to the functions, and uses nothing up', async () => {
    await operator('kek-admit', { version: 2 })
    await operator('kek-promote', { version: 2 })
    await deploy(['KEK_V2'])
    for (const op of ['kek-admit', 'kek-probe', 'kek-promote'] as const) {
      expect(await operator(op, { version: 2 })).toMatchObject({ status: 503, code: 'kek_version_unknown' })
    }
    const id = randomUUID()
    const { body } = await mintStepUp(stand, tenant, id)
    expect(await askSeal(stand, tenant, id, body.token)).toMatchObject({ status: 503, code: 'kek_version_unknown' })
    expect(await secretOf(tenant, first)).toBe(SECRET)
    await deploy()
    expect((await operator('kek-probe', { version: 2 })).code).toBeNull()
    expect((await askSeal(stand, tenant, id, body.token)).body).toMatchObject({ kek_version: 2 })
  })

  it('moves every wrap, and no ciphertext changes', async () => {
    const before = await ciphertexts()
    const [wrap] = await stand.sql`select kek_version, wrapped_dek from flarewatch.credentials where id = ${first.id}`
    wrapUnderOne = { kek_version: wrap?.kek_version, wrapped_dek: wrap?.wrapped_dek }
    await operator('kek-rewrap', {})
    await untilNoneUnder(1)
    expect(await ciphertexts()).toEqual(before)
    expect(await secretOf(tenant, first)).toBe(SECRET)
    const [one, two] = await status()
    expect([one?.state, two?.state]).toEqual(['opening', 'wrapping'])
    // New isolates open the audit key under its new wrap.
    await deploy()
    expect(await secretOf(tenant, first)).toBe(SECRET)
  })

  it('the version cannot be retired while a seal may be in flight or a backup may need it', async () => {
    expect(await retire(2)).toBe('kek_wraps')
    expect(await retire(1)).toBe('kek_in_use')
    stand.advance(20 * 60_000)
    expect(await retire(1)).toBe('kek_backup_window')
    stand.advance(34 * DAY)
    expect(await retire(1)).toBe('kek_backup_window')
  })

  it('a row that comes back under it begins the backup window anew', async () => {
    await stand.sql`update flarewatch.credentials set kek_version = 1 where id = ${first.id}`
    expect(await retire(1)).toBe('kek_in_use')
    await stand.sql`update flarewatch.credentials set kek_version = 2 where id = ${first.id}`
    stand.advance(2 * DAY)
    expect(await retire(1)).toBe('kek_backup_window')
    stand.advance(35 * DAY)
  })

  it('a census is good for nothing when it was changed, is old, or is signed by another key', async () => {
    const text = await censusOf(1)
    const key = await operatorSigner()
    const stranger = await signerOfSeed(OPERATOR_KEY_NAME, crypto.getRandomValues(new Uint8Array(32)))
    const forged = [
      await signNote(text.replace('before 2', 'before 3'), [key]),
      await signNote(text, [stranger]),
      text,
      await signNote(text.replace('retires 1', 'retires 2'), [key]),
    ]
    for (const census of forged) {
      expect((await operator('kek-retire', { version: 1, census })).code).toBe('census_invalid')
    }
    stand.advance(SIGNING_AGE + 1000)
    expect((await operator('kek-retire', { version: 1, census: await signNote(text, [key]) })).code).toBe(
      'census_invalid',
    )
  })

  it('is retired with a signed census, once; then it opens nothing, although it is still bound', async () => {
    expect(await retire(1)).toBeNull()
    const kept = await operator('kek-retire', { version: 1, census: 'another' })
    const { census } = OperatorOperations['kek-retire'].response.parse(kept.body)
    expect(census).toContain('retires 1\nbefore 1 opening 0 0 0 ')
    expect(census).toContain('\nafter 1 retired 0 0 0 ')
    const [old] = await stand.sql`select kek_version, wrapped_dek from flarewatch.credentials where id = ${first.id}`
    await stand.sql`update flarewatch.credentials set kek_version = 1 where id = ${first.id}`
    expect(await open(tenant, first)).toMatchObject({ ok: false, code: 'not_openable', retryable: false })
    await stand.sql`update flarewatch.credentials set ${stand.sql(old ?? {})} where id = ${first.id}`
    for (const op of ['kek-admit', 'kek-promote', 'kek-deny'] as const) {
      expect((await operator(op, { version: 1 })).code).toBe('kek_state')
    }
    expect(await secretOf(tenant, first)).toBe(SECRET)
  })

  it('what a backup brings back under it moves when an operator lets it drain, and no door opens it meanwhile', async () => {
    await stand.sql`update flarewatch.credentials set ${stand.sql(wrapUnderOne)} where id = ${first.id}`
    expect((await operator('kek-drain', { version: 1 })).code).toBeNull()
    expect(await open(tenant, first)).toMatchObject({ ok: false, code: 'not_openable' })
    await operator('kek-rewrap', {})
    await untilNoneUnder(1)
    expect(await secretOf(tenant, first)).toBe(SECRET)
  })

  it('a version in escrow is retired without the wait; the escrow opens with the backup key alone, as that version', async () => {
    stand.advance(SEALS_IN_FLIGHT_MS)
    expect(await retire(1)).toBe('kek_backup_window')
    const { body } = await operator('kek-escrow', { version: 1 })
    const { sealed, key_id } = OperatorOperations['kek-escrow'].response.parse(body)
    expect(key_id).toBe(backupKeyId(backup.publicKey))
    const openAs = (privateKey: Uint8Array, kekVersion: number) =>
      openFromBackup({ privateKey, context: { purpose: 'retired-kek', kekVersion }, sealed: bytes(sealed) })
    expect(await openAs(backup.privateKey, 1)).toEqual({ ok: true, value: new Uint8Array(stand.kek) })
    const { privateKey: stranger } = await generateHpkeKeyPair()
    for (const [key, version] of [
      [backup.privateKey, 2],
      [stranger, 1],
    ] as const) {
      expect(await openAs(key, version)).toEqual({ ok: false, code: 'not_openable' })
    }
    expect(await retire(1)).toBeNull()
  })

  it('a new key under an old number is refused for good', async () => {
    await stand.sql`delete from flarewatch.kek_checks where kek_version = 1`
    await stand.restart({ bindings: { ...keks, KEK_V1: toBase64Url(generateKek()) } })
    expect(await stand.ready()).toEqual({ ok: false, code: 'kek_mismatch' })
    await stand.sql`delete from flarewatch.kek_checks where kek_version = 1`
    await deploy(['KEK_V1'])
    expect(await stand.ready()).toEqual({ ok: true })
  })
})

describe('V4 a version that has leaked', () => {
  it('opens nothing from the moment on in which it is denied; what is under it is listed', async () => {
    const tenant = await bornTenant(stand)
    const credential = await storeCredential(stand, tenant, SECRET)
    expect(await open(tenant, credential)).toMatchObject({ ok: true })
    expect((await operator('kek-deny', { version: 2 })).code).toBeNull()
    expect(await open(tenant, credential)).toMatchObject({ ok: false, code: 'not_openable', retryable: true })
    const { body } = await operator('kek-rows', { version: 2, after: null })
    expect(body.rows).toEqual(
      expect.arrayContaining([
        { tenant_id: tenant.id, kind: 'credential', id: credential.id },
        { tenant_id: tenant.id, kind: 'tenant_key', id: '1' },
        { tenant_id: tenant.id, kind: 'audit_key', id: '1' },
      ]),
    )
  })

  it('is denied with Postgres away, and neither Postgres nor a new deployment lifts it', async () => {
    keks.KEK_V3 = toBase64Url(generateKek())
    await deploy(['KEK_V1'])
    await operator('kek-admit', { version: 3 })
    stand.vaultDoor.shut()
    expect((await operator('kek-deny', { version: 3 })).code).toBeNull()
    stand.vaultDoor.open()
    await stand.sql`update flarewatch.kek_checks set first_seen_at = now() where kek_version in (2, 3)`
    await deploy(['KEK_V1'])
    expect((await operator('kek-promote', { version: 3 })).code).toBe('kek_state')
  })

  it('keeps its wraps until an operator lets it drain under a new one; then every record opens again', async () => {
    const [tenant, credential] = await anyCredential()
    keks.KEK_V4 = toBase64Url(generateKek())
    await deploy(['KEK_V1'])
    for (const op of ['kek-admit', 'kek-promote'] as const) await operator(op, { version: 4 })
    await operator('kek-rewrap', {})
    await stand.fireCron()
    expect(await stand.sql`select 1 from flarewatch.credentials where kek_version = 4`).toHaveLength(0)
    expect((await operator('kek-drain', { version: 2 })).code).toBeNull()
    expect(await open(tenant, credential)).toMatchObject({ ok: false, code: 'not_openable' })
    await operator('kek-rewrap', {})
    await untilNoneUnder(2)
    expect(await secretOf(tenant, credential)).toBe(SECRET)
  })
})

describe('V4 what a rotation meets', () => {
  it('a frozen tenant waits, without a row for each try, until it is no longer; a lost message is sent again by the cron', async () => {
    const [tenant] = await anyCredential()
    await operator('tenant-freeze', { tenant_id: tenant.id, reason: 'drill' })
    keks.KEK_V5 = toBase64Url(generateKek())
    await deploy(['KEK_V1'])
    for (const op of ['kek-admit', 'kek-promote'] as const) await operator(op, { version: 5 })
    const rows = await rowCount(tenant)
    await operator('kek-rewrap', {})
    await untilNoneUnder(4, tenant.id)
    expect(await rowCount(tenant)).toBe(rows)
    await operator('tenant-unfreeze', { tenant_id: tenant.id })
    await stand.fireCron()
    await untilNoneUnder(4)
  })

  it('V3 a wrap that does not open stays as it is and is an incident, once; the others move', async () => {
    const tenant = await bornTenant(stand)
    const damaged = await storeCredential(stand, tenant, SECRET)
    const sound = await storeCredential(stand, tenant, SECRET)
    const wrap = crypto.getRandomValues(new Uint8Array(60))
    await stand.sql`update flarewatch.credentials set wrapped_dek = ${wrap} where id = ${damaged.id}`
    keks.KEK_V6 = toBase64Url(generateKek())
    await deploy(['KEK_V1'])
    for (const op of ['kek-admit', 'kek-promote'] as const) await operator(op, { version: 6 })
    for (let times = 0; times < 2; times += 1) {
      await operator('kek-rewrap', {})
      await untilOneIsLeft(5)
    }
    expect(await secretOf(tenant, sound)).toBe(SECRET)
    const [left] = await stand.sql`select id, wrapped_dek from flarewatch.credentials where kek_version = 5`
    expect([left?.id, new Uint8Array(left?.wrapped_dek)]).toEqual([damaged.id, wrap])
    const noted = await stand.sql`select detail from flarewatch.incidents where kind = 'rewrap_not_openable'`
    expect(noted.map(({ detail }) => detail)).toEqual([
      { purpose: 'credential-dek', subject: damaged.id, kek_version: '5' },
    ])
    expect(await retire(5)).toBe('kek_in_use')
  })
})

async function status(): Promise<KekLine[]> {
  const { body, code } = await operator('kek-status', {})
  if (code !== null) throw new Error(code)
  return OperatorOperations['kek-status'].response.parse(body).versions
}

async function untilNoneUnder(version: number, except?: string): Promise<void> {
  await eventually(async () => {
    const { body } = await operator('kek-rows', { version, after: null })
    const { rows } = OperatorOperations['kek-rows'].response.parse(body)
    return rows.every(({ tenant_id }) => tenant_id === except)
  })
}

async function untilOneIsLeft(version: number): Promise<void> {
  await eventually(async () => {
    const { body } = await operator('kek-rows', { version, after: null })
    return OperatorOperations['kek-rows'].response.parse(body).rows.length === 1
  })
}

async function eventually(holds: () => Promise<boolean>): Promise<void> {
  for (let tries = 0; tries < 300; tries += 1) {
    if (await holds()) return
    await new Promise((passed) => setTimeout(passed, 50))
  }
  throw new Error('it never came to that')
}

async function censusOf(version: number): Promise<string> {
  const { body } = await operator('kek-census', { version })
  return OperatorOperations['kek-census'].response.parse(body).text
}

function operatorSigner() {
  return signerOfSeed(OPERATOR_KEY_NAME, bytes(stand.operatorJwk.d))
}

/** The code of the refusal; null when the version was retired. */
async function retire(version: number): Promise<string | null> {
  const census = await signNote(await censusOf(version), [await operatorSigner()])
  return (await operator('kek-retire', { version, census })).code
}

async function ciphertexts(): Promise<[string, string][]> {
  const rows = await stand.sql<{ id: string; hex: string }[]>`
    select id, encode(ciphertext || salt, 'hex') as hex from flarewatch.credentials order by id`
  return rows.map(({ id, hex }) => [id, hex])
}

async function anyCredential(): Promise<[StandTenant, StoredCredential]> {
  const [row] = await stand.sql<{ id: string; tenant_id: string; ciphertext: Uint8Array }[]>`
    select id, tenant_id, ciphertext from flarewatch.credentials order by created_at desc limit 1`
  if (row === undefined) throw new Error('nothing is stored')
  const owner = { id: randomUUID(), session: randomUUID() }
  return [
    { id: row.tenant_id, owner, birthRow: '' },
    { id: row.id, sealed: new Uint8Array(row.ciphertext), intentRow: '' },
  ]
}

async function open(tenant: StandTenant, { id }: StoredCredential): Promise<unknown> {
  await stand.sql`update flarewatch.jobs set state = 'done', finished_at = now() where credential_id = ${id} and state = 'leased'`
  return stand.call('CONNECTOR_DOOR', null, 'open', await leaseJob(stand, tenant.id, id))
}

async function secretOf(tenant: StandTenant, credential: StoredCredential): Promise<string | null> {
  const opened = (await open(tenant, credential)) as OpenedCredential
  if (!opened.ok) throw new Error(JSON.stringify(opened))
  const { tenantId, credentialId, dekVersion, subkey } = opened
  const context = { tenantId, credentialId, dekVersion }
  const plain = await openRecord({ subkey, context, sealed: credential.sealed })
  return plain.ok ? new TextDecoder().decode(plain.value) : null
}

async function rowCount(tenant: StandTenant): Promise<number> {
  return ((await stand.call('AUDIT_LEDGER', tenant.id, 'head')) as { seq: number }).seq
}
