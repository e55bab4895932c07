import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openRecord } from '../../../domain/envelope/record.ts'
import {
  bornTenant,
  bytes,
  DIGEST,
  type StandTenant,
  type StoredCredential,
  storeCredential,
} from '../../../local/stands/tenants.ts'
import { newUser, startVaultStand, type User, type VaultStand } from '../../../local/stands/vault-stand.ts'

const SECRET = 'cf-token-that-is-used-once-0007'
let stand: VaultStand
let tenant: StandTenant
let stored: StoredCredential
beforeAll(async () => {
  stand = await startVaultStand()
  tenant = await bornTenant(stand)
  stored = await storeCredential(stand, tenant, SECRET)
})
afterAll(() => stand?.stop())

type Action = 'provider.purge_cache' | 'credential.rotate'

async function stepUp(action: Action, user: User = tenant.owner) {
  const request = { tenant_id: tenant.id, action, target_id: stored.id, request_digest: DIGEST }
  const { body, code } = await stand.edgeCall('step-up-mint', request, { user })
  return { token: body.token, code }
}
function ask(operation: 'credential-open' | 'credential-seal', action: Action, token?: string, changed: object = {}) {
  const request = { tenant_id: tenant.id, credential_id: stored.id, action, request_digest: DIGEST, ...changed }
  const body = operation === 'credential-seal' ? { ...request, provider: 'cloudflare' } : request
  return stand.edgeCall(operation, body, { user: tenant.owner, ...(token === undefined ? {} : { stepUp: token }) })
}
const rows = async () => ((await stand.call('AUDIT_LEDGER', tenant.id, 'head')) as { seq: number }).seq

describe('the key of a stored record, for one write at the provider', () => {
  it('L1 A4 is given once a token, after its row, and opens that record', async () => {
    const { token } = await stepUp('provider.purge_cache')
    const before = await rows()
    const opened = await ask('credential-open', 'provider.purge_cache', token)
    expect(opened.code).toBeNull()
    expect(await rows()).toBe(before + 1)
    const context = { tenantId: tenant.id, credentialId: stored.id, dekVersion: Number(opened.body.dek_version) }
    const plaintext = await openRecord({ subkey: bytes(opened.body.subkey), context, sealed: stored.sealed })
    expect(plaintext.ok && new TextDecoder().decode(plaintext.value)).toBe(SECRET)
    expect((await ask('credential-open', 'provider.purge_cache', token)).code).toBe('step_up_invalid')
  })

  it('A4 is not given for another request, nor for a token to rotate', async () => {
    const { token } = await stepUp('provider.purge_cache')
    const other = await ask('credential-open', 'provider.purge_cache', token, { request_digest: 'e'.repeat(43) })
    expect(other.code).toBe('step_up_invalid')
    const { token: rotating } = await stepUp('credential.rotate')
    expect((await ask('credential-open', 'provider.purge_cache', rotating)).code).toBe('step_up_invalid')
    expect((await ask('credential-open', 'provider.purge_cache')).code).toBe('step_up_required')
  })

  it('T4 is no viewer’s, and of no other tenant’s credential', async () => {
    const viewer = newUser()
    await stand.sql`insert into flarewatch.members (tenant_id, user_id, role) values (${tenant.id}, ${viewer.id}, 'viewer')`
    expect((await stepUp('provider.purge_cache', viewer)).code).toBe('role_insufficient')
    const neighbour = await bornTenant(stand)
    const theirs = await storeCredential(stand, neighbour, SECRET)
    const { token } = await stepUp('provider.purge_cache')
    const crossed = await ask('credential-open', 'provider.purge_cache', token, { credential_id: theirs.id })
    expect(crossed).toMatchObject({ status: 404, code: 'credential_unknown' })
  })
})

describe('the key of a stored record, for one statement at a client’s project', () => {
  const open = (changed: object = {}, as: object = {}) => {
    const statement = { statement: 'select 1', statement_sha256: DIGEST, statement_bytes: 8 }
    const request = { tenant_id: tenant.id, credential_id: stored.id, site_id: randomUUID(), ...statement, ...changed }
    return stand.edgeCall('console-open', request, { user: tenant.owner, ...as })
  }

  it('A3 L1 is given to whoever showed a code lately, after its row, and opens that record', async () => {
    const before = await rows()
    const { body, code } = await open()
    expect(code).toBeNull()
    expect(await rows()).toBe(before + 1)
    const context = { tenantId: tenant.id, credentialId: stored.id, dekVersion: Number(body.dek_version) }
    const plaintext = await openRecord({ subkey: bytes(body.subkey), context, sealed: stored.sealed })
    expect(plaintext.ok && new TextDecoder().decode(plaintext.value)).toBe(SECRET)
  })

  it('T4 A3 is no viewer’s, of no other tenant’s credential, and nobody’s whose code is old', async () => {
    const viewer = newUser()
    await stand.sql`insert into flarewatch.members (tenant_id, user_id, role) values (${tenant.id}, ${viewer.id}, 'viewer')`
    const neighbour = await bornTenant(stand)
    const theirs = await storeCredential(stand, neighbour, SECRET)
    const before = await rows()
    expect((await open({}, { user: viewer })).code).toBe('role_insufficient')
    expect((await open({}, { user: neighbour.owner })).code).toBe('not_a_member')
    expect((await open({ credential_id: theirs.id })).code).toBe('credential_unknown')
    expect(
      (await open({}, { claims: { amr: [{ method: 'totp', timestamp: Math.floor(Date.now() / 1000) - 301 }] } })).code,
    ).toBe('aal2_stale')
    expect(await rows()).toBe(before)
  })
})

describe('the key of a rotation', () => {
  it('V1 is a new record’s, and comes with the salt of the one whose place that takes', async () => {
    const [row] = await stand.sql<
      { salt: Uint8Array }[]
    >`select salt from flarewatch.credentials where id = ${stored.id}`
    const { token } = await stepUp('credential.rotate')
    const { body } = await ask('credential-seal', 'credential.rotate', token)
    expect(bytes(body.replaces)).toEqual(new Uint8Array(row?.salt ?? []))
    expect(body.salt).not.toBe(body.replaces)
    const context = { tenantId: tenant.id, credentialId: stored.id, dekVersion: Number(body.dek_version) }
    const opened = await openRecord({ subkey: bytes(body.subkey), context, sealed: stored.sealed })
    expect(opened.ok).toBe(false)
  })

  it('is not given for what signs webhooks: that is rolled by storing the next one beside it', async () => {
    const signing = (of: string | null, due: string) => stand.sql`
      update flarewatch.credentials set webhook_of = ${of}, next_poll_at = ${due}::text::timestamptz where id = ${stored.id}`
    await signing(stored.id, 'infinity')
    const before = await rows()
    const { token } = await stepUp('credential.rotate')
    expect((await ask('credential-seal', 'credential.rotate', token)).code).toBe('credential_unknown')
    // The minting is the one row: no key was released.
    expect(await rows()).toBe(before + 1)
    await signing(null, 'now')
  })

  it('is not given for a credential that is deleted', async () => {
    const { token } = await stepUp('credential.rotate')
    await stand.sql`
      update flarewatch.credentials set kek_version = null, wrapped_dek = null, dek_version = null, salt = null,
        ciphertext = null, state = 'parked', deleted_at = now()
      where id = ${stored.id}`
    expect((await ask('credential-seal', 'credential.rotate', token)).code).toBe('credential_unknown')
  })
})
