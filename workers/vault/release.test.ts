import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openContent } from '../../domain/audit/content.ts'
import type { AuditRow } from '../../domain/audit/row.ts'
import { toBase64Url } from '../../domain/bytes.ts'
import type { DoorRefusal, OpenedCredential } from '../../domain/contracts/connector-door.ts'
import { generateDemoKek, generateKek, type Kek } from '../../domain/envelope/kek.ts'
import { openRecord } from '../../domain/envelope/record.ts'
import { unwrapKey } from '../../domain/envelope/wrap.ts'
import { bornTenant, leaseJob, type StandTenant, storeCredential } from '../../local/stands/tenants.ts'
import { startVaultStand, type VaultStand } from '../../local/stands/vault-stand.ts'

let stand: VaultStand
beforeAll(async () => {
  stand = await startVaultStand()
})
afterAll(() => stand?.stop())

const SECRET = 'cf-token-that-must-stay-secret-0001'

describe('a release to the connector', () => {
  it('V1 L1 opens one version of one record, and leaves an intent and one outcome', async () => {
    const { tenant, credential, job } = await leased()
    const opened = await open(job)
    if (!opened.ok) throw new Error(opened.code)
    expect(opened).toMatchObject({ tenantId: tenant.id, credentialId: credential.id, dekVersion: 1 })
    expect(await secretWith(opened, credential.sealed)).toBe(SECRET)
    expect(await settle(job, { succeeded: true, code: 'polled' })).toEqual({ ok: true })
    expect(await settle(job, { succeeded: false, code: 'changed_my_mind' })).toEqual({ ok: true })
    const target = `credential:${credential.id}`
    expect((await contents(tenant)).slice(-2)).toEqual([
      { actor: 'connector', action: 'credential.open', target, detail: { job } },
      {
        actor: 'connector',
        action: 'act.outcome',
        target,
        detail: { intent: opened.intentRow, succeeded: 'true', code: 'polled' },
      },
    ])
  })

  it('L1 every release is a row of its own', async () => {
    const { tenant, job } = await leased()
    const opened = [await open(job), await open(job)]
    const intents = opened.map((one) => (one.ok ? one.intentRow : null))
    expect(new Set(intents).size).toBe(2)
    const rows = (await contents(tenant)).filter(({ action }) => action === 'credential.open')
    expect(rows).toHaveLength(2)
  })

  it('T6 a frozen tenant gets no key, but the rows say that it was asked for', async () => {
    const { tenant, job } = await leased()
    await stand.call('AUDIT_LEDGER', tenant.id, 'freeze', 'drill', stand.now())
    expect(await open(job)).toEqual({ ok: false, code: 'tenant_frozen', retryable: false })
    const [intent, outcome] = (await contents(tenant)).slice(-2)
    expect(intent?.action).toBe('credential.open')
    expect(outcome).toMatchObject({ action: 'act.outcome', detail: { succeeded: 'false', code: 'tenant_frozen' } })
  })

  it('V3 a wrap moved to another credential, of the same or another tenant, does not open; the sealed row says why', async () => {
    const { tenant, credential } = await leased()
    const sibling = await storeLater(tenant)
    const foreign = await leased()
    for (const victim of [
      { tenant, id: sibling.id },
      { tenant: foreign.tenant, id: foreign.credential.id },
    ]) {
      await stand.sql`update flarewatch.credentials c set wrapped_dek = o.wrapped_dek, salt = o.salt
        from flarewatch.credentials o where o.id = ${credential.id} and c.id = ${victim.id}`
      await stand.sql`update flarewatch.jobs set state = 'done', finished_at = now() where credential_id = ${victim.id}`
      const job = await leaseJob(stand, victim.tenant.id, victim.id)
      expect(await open(job)).toEqual({ ok: false, code: 'not_openable', retryable: false })
      expect((await contents(victim.tenant)).at(-1)?.detail).toMatchObject({ code: 'wrap_not_openable' })
    }
  })

  it('V3 a ciphertext moved to another record does not open with the key released for that record', async () => {
    const { tenant, credential } = await leased()
    const sibling = await storeLater(tenant)
    const opened = await open(await leaseJob(stand, tenant.id, sibling.id))
    if (!opened.ok) throw new Error(opened.code)
    expect(await secretWith(opened, credential.sealed)).toBeNull()
    expect(await secretWith(opened, sibling.sealed)).toBe(SECRET)
  })

  it('refuses a job whose lease is over, and records one that never was', async () => {
    const { job } = await leased()
    await stand.sql`update flarewatch.jobs set lease_until = ${new Date(stand.now() - 1)} where id = ${job}`
    const refused = { ok: false, code: 'job_not_leased', retryable: false }
    expect(await open(job)).toEqual(refused)
    const unknown = randomUUID()
    expect(await open(unknown)).toEqual(refused)
    const recorded = await stand.sql`select 1 from flarewatch.incidents
      where kind = 'job_unknown' and part = 'vault' and detail->>'job' = ${unknown}`
    expect(recorded).toHaveLength(1)
  })
})

describe('what opens nothing', () => {
  it('V2 the KEK and a dump do not open a wrap; with the share of a row they do', async () => {
    const { tenant } = await leased()
    const [wrap] = await stand.sql<{ wrapped_dek: Uint8Array }[]>`
      select wrapped_dek from flarewatch.tenant_keys where tenant_id = ${tenant.id}`
    if (wrap === undefined) throw new Error('no DEK is stored')
    const kek: Kek = { version: 1, bytes: stand.kek }
    const context = { purpose: 'tenant-dek', tenantId: tenant.id, keyVersion: 1 } as const
    const openWith = async (share: Uint8Array) =>
      (await unwrapKey({ kek, share, context, wrapped: new Uint8Array(wrap.wrapped_dek) })).ok
    const given = (await stand.call('AUDIT_LEDGER', tenant.id, 'auditShare', tenant.id)) as { share: Uint8Array }
    expect(await openWith(new Uint8Array(32))).toBe(false)
    expect(await openWith(given.share)).toBe(false)
    expect(await openWith(await shareOfARow(tenant))).toBe(true)
  })

  it('V2 L1 with the ledger out of reach there is no row, and so no key', async () => {
    const { job } = await leased()
    await stand.restart({ ledger: 'unreachable' })
    expect(await open(job)).toEqual({ ok: false, code: 'ledger_unreachable', retryable: true })
    await stand.restart()
    expect(await open(job)).toMatchObject({ ok: true })
  })

  it('L1 with Postgres out of reach there is no wrap, and so no key', async () => {
    const { job } = await leased()
    stand.vaultDoor.shut()
    expect(await open(job)).toEqual({ ok: false, code: 'store_unreachable', retryable: true })
    stand.vaultDoor.open()
    expect(await open(job)).toMatchObject({ ok: true })
  })

  it('V5 no key, share or wrap is in what the Workers logged', async () => {
    const { job } = await leased()
    const opened = await open(job)
    if (!opened.ok) throw new Error(opened.code)
    const log = stand.logged()
    expect(log).toContain('credential_opened')
    for (const bytes of [opened.subkey, stand.kek]) {
      expect(log).not.toContain(toBase64Url(bytes))
      expect(log).not.toContain(Buffer.from(bytes).toString('hex'))
    }
  })
})

describe('the KEK', () => {
  it.each([
    ['kek_missing', null],
    ['kek_malformed', 'too-short'],
    ['kek_demo', toBase64Url(generateDemoKek())],
    ['kek_mismatch', toBase64Url(generateKek())],
  ])('S2 V2 %s is a refusal that names it, and nothing is released', async (code, text) => {
    const { job } = await leased()
    await stand.restart({ bindings: { KEK_V1: text } })
    expect(await stand.ready()).toEqual({ ok: false, code })
    expect(await open(job)).toEqual({ ok: false, code: 'not_openable', retryable: true })
    await stand.restart()
    expect(await stand.ready()).toEqual({ ok: true })
  })

  it('V2 whose check value was removed is refused, since any key could then pass for the right one', async () => {
    await leased()
    const [kept] = await stand.sql`delete from flarewatch.kek_checks returning *`
    await stand.restart()
    expect(await stand.ready()).toEqual({ ok: false, code: 'kek_mismatch' })
    await stand.sql`insert into flarewatch.kek_checks ${stand.sql(kept ?? {})}`
    expect(await stand.ready()).toEqual({ ok: true })
  })
})

async function leased() {
  const tenant = await bornTenant(stand)
  const credential = await storeCredential(stand, tenant, SECRET)
  return { tenant, credential, job: await leaseJob(stand, tenant.id, credential.id) }
}

function storeLater(tenant: StandTenant) {
  return storeCredential(stand, tenant, SECRET)
}

function open(job: string): Promise<OpenedCredential | DoorRefusal> {
  return stand.call('CONNECTOR_DOOR', null, 'open', job) as Promise<OpenedCredential | DoorRefusal>
}

function settle(job: string, outcome: { succeeded: boolean; code: string }): Promise<unknown> {
  return stand.call('CONNECTOR_DOOR', null, 'settle', job, outcome)
}

async function secretWith(opened: OpenedCredential, sealed: Uint8Array): Promise<string | null> {
  const { tenantId, credentialId, dekVersion, subkey } = opened
  const plain = await openRecord({ subkey, context: { tenantId, credentialId, dekVersion }, sealed })
  return plain.ok ? new TextDecoder().decode(plain.value) : null
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
  const opened = await Promise.all(rows.map((row) => openContent({ auditKey: key.value, row })))
  return opened.map((content) => {
    if (!content.ok) throw new Error(content.code)
    return content.value
  })
}

async function shareOfARow(tenant: StandTenant): Promise<Uint8Array> {
  const [known] = (await stand.call('AUDIT_LEDGER', tenant.id, 'rowsFrom', 1, 1)) as AuditRow[]
  if (known === undefined) throw new Error('the ledger is empty')
  const { tenantId, keyVersion, actorTag, actionTag, targetTag, sealed } = known
  const row = { tenantId, rowId: randomUUID(), keyVersion, actorTag, actionTag, targetTag, sealed }
  const release = { door: 'connector', budgetPerHour: 4000 }
  const answer = await stand.call('AUDIT_LEDGER', tenant.id, 'append', { row, at: stand.now(), release })
  return (answer as { share: Uint8Array }).share
}
