import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openContent } from '../../domain/audit/content.ts'
import type { AuditRow } from '../../domain/audit/row.ts'
import type { DoorRefusal, OpenedCredential, ResealKeys } from '../../domain/contracts/connector-door.ts'
import { commitmentOf, openRecord, sealRecord } from '../../domain/envelope/record.ts'
import { unwrapKey } from '../../domain/envelope/wrap.ts'
import {
  bornTenant,
  leaseJob,
  type StandTenant,
  type StoredCredential,
  storeCredential,
} from '../../local/stands/tenants.ts'
import { startVaultStand, type VaultStand } from '../../local/stands/vault-stand.ts'

/** The vault, ledger and Postgres as shipped; the test plays the connector, so that it can stop at any step. */
let stand: VaultStand
beforeAll(async () => {
  stand = await startVaultStand()
})
afterAll(() => stand?.stop())

const SECRET = 'cf-token-that-must-stay-secret-0002'

describe('V1: the rotation of a tenant’s DEK', () => {
  it('L1 carries each record over by one row, and destroys the old version once no record names it, after a row', async () => {
    const { tenant, credentials } = await withCredentials(2)
    expect(await rotate(tenant)).toMatchObject({ state: 'rotating', version: 2, versions: [1, 2], behind: 2 })
    for (const credential of credentials) {
      expect(await standing(tenant)).toMatchObject({ state: 'rotating' })
      await resealWhole(tenant, credential)
    }
    expect(await standing(tenant)).toEqual({
      state: 'settled',
      version: 2,
      versions: [2],
      credentials: 2,
      behind: 0,
      failing: 0,
    })
    for (const { id, sealed } of credentials) {
      const opened = await openNow(tenant, id)
      expect(opened.dekVersion).toBe(2)
      expect(await secretIn(opened, await ciphertextOf(id))).toBe(SECRET)
      expect(await secretIn(opened, sealed)).toBeNull()
    }
    const target = (id = '') => `credential:${id}`
    expect((await contents(tenant)).filter(({ action }) => /reseal|dek/.test(action))).toMatchObject([
      { actor: 'operator', action: 'tenant_dek.rotate', detail: { version: '2' } },
      {
        actor: 'connector',
        action: 'credential.reseal',
        target: target(credentials[0]?.id),
        detail: { from: '1', to: '2' },
      },
      {
        actor: 'connector',
        action: 'credential.reseal',
        target: target(credentials[1]?.id),
        detail: { from: '1', to: '2' },
      },
      { actor: 'connector', action: 'tenant_dek.destroy', detail: { versions: '1' } },
    ])
    expect(await unknownActs(tenant)).toEqual([])
  })

  it('lends keys for exactly the old and the new record, neither of which opens the other', async () => {
    const { tenant, credentials } = await withCredentials(2)
    const [mine, sibling] = credentials
    if (mine === undefined || sibling === undefined) throw new Error('no credentials')
    await rotate(tenant)
    const keys = await reseal(tenant, mine.id)
    const ids = { tenantId: tenant.id, credentialId: mine.id }
    const [old, next] = [
      { ...ids, dekVersion: 1 },
      { ...ids, dekVersion: 2 },
    ]
    const sealed = await sealRecord({
      subkey: keys.to.subkey,
      context: next,
      plaintext: new TextEncoder().encode(SECRET),
    })
    expect(commitmentOf(sealed)).toEqual(keys.to.commitment)
    expect((await openRecord({ subkey: keys.from.subkey, context: old, sealed: mine.sealed })).ok).toBe(true)
    for (const [subkey, context, bytes] of [
      [keys.to.subkey, old, mine.sealed],
      [keys.from.subkey, next, sealed],
      [keys.from.subkey, { ...old, credentialId: sibling.id }, sibling.sealed],
    ] as const) {
      expect((await openRecord({ subkey, context, sealed: bytes })).ok).toBe(false)
    }
  })

  it('begins once, however often and however many ask, and is over before the next can begin', async () => {
    const { tenant } = await withCredentials(1)
    const answers = await Promise.all(Array.from({ length: 4 }, () => rotate(tenant)))
    for (const answer of [...answers, await rotate(tenant)])
      expect(answer).toMatchObject({ versions: [1, 2], behind: 1 })
    expect(await unknownActs(tenant)).toEqual([])
  })

  it('of a tenant without credentials is over at once, the next one gives version 3', async () => {
    const tenant = await bornTenant(stand)
    expect(await rotate(tenant)).toMatchObject({ state: 'settled', version: 2, versions: [2] })
    expect(await rotate(tenant)).toMatchObject({ state: 'settled', version: 3, versions: [3] })
  })

  it('has new records sealed under the new version while old ones are carried over', async () => {
    const { tenant } = await withCredentials(1)
    await rotate(tenant)
    const { id } = await storeCredential(stand, tenant, SECRET)
    expect((await openNow(tenant, id)).dekVersion).toBe(2)
    expect(await standing(tenant)).toMatchObject({ credentials: 2, behind: 1 })
  })

  it('opens the record as it is at any moment: before its turn, between release and swap, and after', async () => {
    const { tenant, credentials } = await withCredentials(1)
    const [credential] = credentials
    if (credential === undefined) throw new Error('no credential')
    const polls = async () => secretIn(await openNow(tenant, credential.id), await ciphertextOf(credential.id))
    await rotate(tenant)
    expect(await polls()).toBe(SECRET)
    const job = await leaseReseal(tenant, credential.id)
    const keys = await resealJob(job)
    expect(await polls()).toBe(SECRET)
    expect(await swap(tenant, credential, job, keys)).toBe(true)
    expect(await polls()).toBe(SECRET)
  })
})

describe('V1: a rotation that was broken off', () => {
  it('after the new version was released but not stored begins again, and leaves an act that failed', async () => {
    const { tenant } = await withCredentials(1)
    await stand.sql`revoke execute on function flarewatch.add_dek from flarewatch_vault`
    expect(await stand.operatorCall('dek-rotate', { tenant_id: tenant.id })).toMatchObject({
      code: 'store_unreachable',
    })
    await stand.sql`grant execute on function flarewatch.add_dek to flarewatch_vault`
    expect(await standing(tenant)).toMatchObject({ state: 'settled', versions: [1] })
    expect(await rotate(tenant)).toMatchObject({ state: 'rotating', versions: [1, 2] })
    const outcomes = (await contents(tenant))
      .filter(({ action }) => action === 'act.outcome')
      .map(({ detail }) => detail.code)
    expect(outcomes.slice(-2)).toEqual(['store_unreachable', 'added'])
  })

  it('between a release and its swap leaves the record as it was; the next lease carries it over', async () => {
    const { tenant, credentials } = await withCredentials(1)
    const [credential] = credentials
    if (credential === undefined) throw new Error('no credential')
    await rotate(tenant)
    const lost = await leaseReseal(tenant, credential.id)
    const keys = await resealJob(lost)
    stand.advance(60_001)
    expect(await swap(tenant, credential, lost, keys)).toBe(false)
    await stand.sql`update flarewatch.jobs set state = 'dead', finished_at = now() where id = ${lost}`
    await resealWhole(tenant, credential)
    expect(await standing(tenant)).toMatchObject({ state: 'settled', versions: [2] })
  })

  it('after the last swap is ended by whoever looks next, once', async () => {
    const { tenant, credentials } = await withCredentials(1)
    const [credential] = credentials
    if (credential === undefined) throw new Error('no credential')
    await rotate(tenant)
    const job = await leaseReseal(tenant, credential.id)
    await swap(tenant, credential, job, await resealJob(job))
    // The connector died before it told the outcome.
    expect(await versionsOf(tenant)).toEqual([1, 2])
    const looks = await Promise.all([standing(tenant), standing(tenant), rotate(tenant)])
    for (const look of looks) expect(look.version).toBeGreaterThanOrEqual(2)
    expect(await versionsOf(tenant)).not.toContain(1)
    expect((await contents(tenant)).filter(({ action }) => action === 'tenant_dek.destroy')).toHaveLength(1)
  })

  it('after the row of the destruction destroys all the same, under that row', async () => {
    const tenant = await bornTenant(stand)
    await stand.sql`revoke execute on function flarewatch.destroy_old_deks from flarewatch_vault`
    await rotate(tenant)
    await stand.sql`grant execute on function flarewatch.destroy_old_deks to flarewatch_vault`
    expect(await versionsOf(tenant)).toEqual([1, 2])
    expect(await standing(tenant)).toMatchObject({ state: 'settled', versions: [2] })
    expect((await contents(tenant)).filter(({ action }) => action === 'tenant_dek.destroy')).toHaveLength(1)
    expect(await unknownActs(tenant)).toEqual([])
  })
})

describe('T6: what a rotation gives nobody', () => {
  it('a key for a job of another kind, another tenant’s, ended, or of a record that is on the newest version', async () => {
    const { tenant, credentials } = await withCredentials(1)
    const id = credentials[0]?.id ?? ''
    const refused = { ok: false, code: 'job_not_leased', retryable: false }
    const poll = await leaseJob(stand, tenant.id, id)
    expect(await stand.call('CONNECTOR_DOOR', null, 'reseal', poll)).toEqual(refused)
    const job = await leaseReseal(tenant, id)
    expect(await stand.call('CONNECTOR_DOOR', null, 'open', job)).toEqual(refused)
    expect(await stand.call('CONNECTOR_DOOR', null, 'reseal', job)).toMatchObject({
      ok: false,
      code: 'reseal_not_needed',
    })
    expect(await stand.call('CONNECTOR_DOOR', null, 'reseal', randomUUID())).toEqual(refused)
    expect((await contents(tenant)).filter(({ action }) => action === 'credential.reseal')).toEqual([])
  })

  it('a new version for a frozen tenant, or for one that there is not', async () => {
    const { tenant } = await withCredentials(1)
    await stand.call('AUDIT_LEDGER', tenant.id, 'freeze', 'drill', stand.now())
    expect(await stand.operatorCall('dek-rotate', { tenant_id: tenant.id })).toMatchObject({ code: 'tenant_frozen' })
    expect(await versionsOf(tenant)).toEqual([1])
    for (const op of ['dek-rotate', 'dek-standing'] as const) {
      expect(await stand.operatorCall(op, { tenant_id: randomUUID() })).toMatchObject({
        status: 404,
        code: 'tenant_unknown',
      })
    }
  })
})

async function withCredentials(count: number): Promise<{ tenant: StandTenant; credentials: StoredCredential[] }> {
  const tenant = await bornTenant(stand)
  const credentials: StoredCredential[] = []
  for (let index = 0; index < count; index += 1) credentials.push(await storeCredential(stand, tenant, SECRET))
  return { tenant, credentials }
}

async function operator(op: 'dek-rotate' | 'dek-standing', tenant: StandTenant): Promise<{ version: number }> {
  const answer = await stand.operatorCall(op, { tenant_id: tenant.id })
  if (answer.code !== null) throw new Error(answer.code)
  return answer.body as { version: number }
}
const rotate = (tenant: StandTenant) => operator('dek-rotate', tenant)
const standing = (tenant: StandTenant) => operator('dek-standing', tenant)

async function leaseReseal(tenant: StandTenant, credentialId: string): Promise<string> {
  const [job] = await stand.sql<{ id: string }[]>`
    insert into flarewatch.jobs (tenant_id, credential_id, kind, lease_until, created_at)
    values (${tenant.id}, ${credentialId}, 'reseal', ${new Date(stand.now() + 60_000)}, now()) returning id`
  return job?.id ?? ''
}

async function resealJob(job: string): Promise<ResealKeys> {
  const keys = (await stand.call('CONNECTOR_DOOR', null, 'reseal', job)) as ResealKeys | DoorRefusal
  if (!keys.ok) throw new Error(keys.code)
  return keys
}

async function reseal(tenant: StandTenant, credentialId: string): Promise<ResealKeys> {
  return resealJob(await leaseReseal(tenant, credentialId))
}

/** As the connector: open, seal, swap and end the job. */
async function swap(
  { id }: StandTenant,
  credential: StoredCredential,
  job: string,
  { from, to }: ResealKeys,
): Promise<boolean> {
  const ids = { tenantId: id, credentialId: credential.id }
  const plaintext = await openRecord({
    subkey: from.subkey,
    context: { ...ids, dekVersion: from.dekVersion },
    sealed: credential.sealed,
  })
  if (!plaintext.ok) throw new Error(plaintext.code)
  const context = { ...ids, dekVersion: to.dekVersion }
  const sealed = await sealRecord({ subkey: to.subkey, context, plaintext: plaintext.value })
  return stand.sql.begin(async (sql) => {
    await sql`select flarewatch.bind_job(${job}, ${new Date(stand.now())})`
    const [row] = await sql`select flarewatch.reseal_credential(${from.dekVersion}, ${to.dekVersion}, ${to.kekVersion},
      ${to.wrappedDek}, ${to.salt}, ${sealed}) as swapped`
    if (row?.swapped) await sql`update flarewatch.jobs set state = 'done', finished_at = now() where id = ${job}`
    return row?.swapped
  })
}

async function resealWhole(tenant: StandTenant, credential: StoredCredential): Promise<void> {
  const job = await leaseReseal(tenant, credential.id)
  expect(await swap(tenant, credential, job, await resealJob(job))).toBe(true)
  expect(await stand.call('CONNECTOR_DOOR', null, 'settle', job, { succeeded: true, code: 'resealed' })).toEqual({
    ok: true,
  })
}

/** A poll's release, with the outcome that follows it. */
async function openNow(tenant: StandTenant, credentialId: string): Promise<OpenedCredential> {
  const job = await leaseJob(stand, tenant.id, credentialId)
  const opened = (await stand.call('CONNECTOR_DOOR', null, 'open', job)) as OpenedCredential | DoorRefusal
  if (!opened.ok) throw new Error(opened.code)
  await stand.call('CONNECTOR_DOOR', null, 'settle', job, { succeeded: true, code: 'polled' })
  await stand.sql`update flarewatch.jobs set state = 'done', finished_at = now() where id = ${job}`
  return opened
}

async function secretIn({ tenantId, credentialId, dekVersion, subkey }: OpenedCredential, sealed: Uint8Array) {
  const plain = await openRecord({ subkey, context: { tenantId, credentialId, dekVersion }, sealed })
  return plain.ok ? new TextDecoder().decode(plain.value) : null
}

async function ciphertextOf(id: string): Promise<Uint8Array> {
  const [row] = await stand.sql<
    { ciphertext: Uint8Array }[]
  >`select ciphertext from flarewatch.credentials where id = ${id}`
  return new Uint8Array(row?.ciphertext ?? [])
}

async function versionsOf({ id }: StandTenant): Promise<number[]> {
  const rows = await stand.sql`select version from flarewatch.tenant_keys where tenant_id = ${id} order by version`
  return rows.map(({ version }) => version)
}

/** Intents of the rotation's own acts that no outcome row names. */
async function unknownActs(tenant: StandTenant): Promise<string[]> {
  const rows = await contents(tenant)
  const ended = new Set(rows.map(({ detail }) => detail.intent))
  return rows.filter(({ action, rowId }) => /reseal|dek/.test(action) && !ended.has(rowId)).map(({ action }) => action)
}

/** Opens a tenant's rows with the KEK and the audit share, as no one outside the vault can. */
async function contents(tenant: StandTenant) {
  const [wrap] = await stand.sql<{ wrapped_key: Uint8Array }[]>`
    select wrapped_key from flarewatch.audit_keys where tenant_id = ${tenant.id}`
  const { share } = (await stand.call('AUDIT_LEDGER', tenant.id, 'auditShare', tenant.id)) as { share: Uint8Array }
  const context = { purpose: 'audit-key', tenantId: tenant.id, keyVersion: 1 } as const
  const kek = { version: 1, bytes: stand.kek }
  const key = await unwrapKey({ kek, share, context, wrapped: new Uint8Array(wrap?.wrapped_key ?? []) })
  if (!key.ok) throw new Error(key.code)
  const rows = (await stand.call('AUDIT_LEDGER', tenant.id, 'rowsFrom', 1, 500)) as AuditRow[]
  return Promise.all(
    rows.map(async (row) => {
      const content = await openContent({ auditKey: key.value, row })
      if (!content.ok) throw new Error(content.code)
      return { ...content.value, rowId: row.rowId }
    }),
  )
}
