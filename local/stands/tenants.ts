import { randomUUID } from 'node:crypto'
import { fromBase64Url } from '../../domain/bytes.ts'
import { sealRecord } from '../../domain/envelope/record.ts'
import { type EdgeAnswer, newUser, type User, type VaultStand } from './vault-stand.ts'

/** What the Edge Functions and their privileged functions do around the vault, so that a test can begin with a tenant. */
export type StandTenant = { readonly id: string; readonly owner: User; readonly birthRow: string }
export type StoredCredential = { readonly id: string; readonly sealed: Uint8Array; readonly intentRow: string }

export async function beginTenant(stand: VaultStand, id: string, owner: User): Promise<void> {
  const prepared = answered(await stand.edgeCall('tenant-prepare', { tenant_id: id }, { user: owner }))
  await stand.sql`insert into flarewatch.tenants (id, name) values (${id}, 'Agency') on conflict do nothing`
  await stand.sql`insert into flarewatch.members (tenant_id, user_id, role) values (${id}, ${owner.id}, 'owner')
    on conflict do nothing`
  await stand.sql`insert into flarewatch.audit_keys (tenant_id, version, kek_version, wrapped_key)
    values (${id}, ${prepared.audit_key_version ?? 0}, ${prepared.kek_version ?? 0}, ${bytes(prepared.wrapped_key)})
    on conflict do nothing`
}

export async function activateTenant(stand: VaultStand, id: string, owner: User): Promise<StandTenant> {
  const born = answered(await stand.edgeCall('tenant-activate', { tenant_id: id }, { user: owner }))
  await stand.sql`insert into flarewatch.tenant_keys (tenant_id, version, kek_version, wrapped_dek)
    values (${id}, ${born.dek_version ?? 0}, ${born.kek_version ?? 0}, ${bytes(born.wrapped_dek)}) on conflict do nothing`
  await stand.sql`update flarewatch.tenants set state = 'active', activated_at = now() where id = ${id}`
  return { id, owner, birthRow: born.intent_row ?? '' }
}

export async function bornTenant(stand: VaultStand): Promise<StandTenant> {
  const [id, owner] = [randomUUID(), newUser()]
  await beginTenant(stand, id, owner)
  return activateTenant(stand, id, owner)
}

/** The functions' request is not at hand here: any digest will do that is the same twice. */
export const DIGEST = 'd'.repeat(43)

export function mintStepUp(
  stand: VaultStand,
  tenant: StandTenant,
  credentialId: string,
  user: User = tenant.owner,
): Promise<EdgeAnswer> {
  const body = { tenant_id: tenant.id, action: 'credential.store', target_id: credentialId, request_digest: DIGEST }
  return stand.edgeCall('step-up-mint', body, { user })
}

export function askSeal(
  stand: VaultStand,
  tenant: StandTenant,
  credentialId: string,
  stepUp: string | undefined,
): Promise<EdgeAnswer> {
  const body = {
    tenant_id: tenant.id,
    credential_id: credentialId,
    provider: 'cloudflare',
    action: 'credential.store',
    request_digest: DIGEST,
  }
  return stand.edgeCall('credential-seal', body, { user: tenant.owner, ...(stepUp === undefined ? {} : { stepUp }) })
}

export async function storeCredential(
  stand: VaultStand,
  tenant: StandTenant,
  secret: string,
): Promise<StoredCredential> {
  const id = randomUUID()
  const minted = answered(await mintStepUp(stand, tenant, id))
  const keys = answered(await askSeal(stand, tenant, id, minted.token))
  const dekVersion = Number(keys.dek_version)
  const context = { tenantId: tenant.id, credentialId: id, dekVersion }
  const plaintext = new TextEncoder().encode(secret)
  const sealed = await sealRecord({ subkey: bytes(keys.subkey), context, plaintext })
  await stand.sql`insert into flarewatch.credentials (id, tenant_id, provider, label, kek_version, wrapped_dek, dek_version,
      salt, ciphertext, last4, scope, grade, next_poll_at, created_by)
    values (${id}, ${tenant.id}, 'cloudflare', 'Console', ${keys.kek_version ?? 0}, ${bytes(keys.wrapped_dek)},
      ${dekVersion}, ${bytes(keys.salt)}, ${sealed}, ${secret.slice(-4)}, 'zones', 'read_only', now(), ${tenant.owner.id})`
  return { id, sealed, intentRow: keys.intent_row ?? '' }
}

export async function leaseJob(stand: VaultStand, tenantId: string, credentialId: string): Promise<string> {
  const until = new Date(stand.now() + 60_000)
  const [job] = await stand.sql<{ id: string }[]>`
    insert into flarewatch.jobs (tenant_id, credential_id, lease_until, created_at)
    values (${tenantId}, ${credentialId}, ${until}, now()) returning id`
  return job?.id ?? ''
}

/** Waits until Postgres has as many rows of a tenant. */
export async function flushedRows(stand: VaultStand, tenantId: string, atLeast: number): Promise<number> {
  for (let tries = 0; tries < 200; tries += 1) {
    const [row] = await stand.sql<{ count: number }[]>`
      select count(*)::int as count from flarewatch.audit_log where tenant_id = ${tenantId}`
    if (row !== undefined && row.count >= atLeast) return row.count
    await new Promise((passed) => setTimeout(passed, 50))
  }
  throw new Error(`Postgres never got ${atLeast} rows of the tenant`)
}

export function bytes(text: string | undefined): Uint8Array {
  const decoded = fromBase64Url(text ?? '')
  if (!decoded.ok) throw new Error('the vault answered with something other than base64url')
  return decoded.value
}

function answered(answer: EdgeAnswer): Record<string, string> {
  if (answer.code !== null) throw new Error(`the vault refused: ${answer.code}`)
  return answer.body
}
