import { randomBytes, randomUUID } from 'node:crypto'
import { sealContent } from '../../domain/audit/content.ts'
import { utf8 } from '../../domain/bytes.ts'
import type { AuditLedgerApi } from '../../domain/contracts/durable-objects.ts'
import { TenantId } from '../../domain/contracts/ids.ts'
import { kekCheckValue } from '../../domain/envelope/kek.ts'
import { deriveSubkey, sealRecord } from '../../domain/envelope/record.ts'
import { wrapKey } from '../../domain/envelope/wrap.ts'
import { World } from '../simulators/cloudflare/world.ts'
import { type PollingStack, WORLD_SEED } from './polling-stand.ts'

export type Agency = { readonly tenantId: TenantId; readonly credentialId: string; readonly siteIds: readonly string[] }

/**
 * A tenant with one sealed credential, as its birth and a store leave them: keys wrapped under the ledger's own shares,
 * the rows written beside the Edge Functions, whose road is tested elsewhere.
 */
export async function foundAgency(stack: PollingStack, token: string): Promise<Agency> {
  const { sql, kek } = stack
  const tenantId = TenantId.parse(randomUUID())
  const credentialId = randomUUID()
  await sql`insert into flarewatch.tenants (id, name, state, activated_at) values (${tenantId}, 'Agency', 'active', now())`
  const ledger = await ledgerOf(stack, tenantId)
  const auditShare = await ledger.auditShare(tenantId)
  if (!auditShare.ok) throw new Error(auditShare.code)
  const auditKey = new Uint8Array(randomBytes(32))
  const auditContext = { purpose: 'audit-key', tenantId, keyVersion: 1 } as const
  const wrappedAuditKey = await wrapKey({ kek, share: auditShare.share, context: auditContext, key: auditKey })
  const content = { actor: 'test', action: 'tenant.create', target: `tenant:${tenantId}`, detail: {} }
  const row = await sealContent({ auditKey, keyVersion: 1, tenantId, rowId: randomUUID(), content })
  const born = await ledger.append({ row, at: stack.now, release: { door: 'edge', budgetPerHour: 1000 } })
  if (!born.ok || born.share === null) throw new Error('no share')
  const share = born.share
  const dek = new Uint8Array(randomBytes(32))
  const salt = new Uint8Array(randomBytes(32))
  const wrap = (purpose: 'tenant-dek' | 'credential-dek') =>
    wrapKey({ kek, share, context: { purpose, tenantId, credentialId, keyVersion: 1 }, key: dek })
  const context = { tenantId, credentialId, dekVersion: 1 }
  const subkey = await deriveSubkey({ dek, salt, context })
  const ciphertext = await sealRecord({ subkey, context, plaintext: utf8(token) })

  await sql`insert into flarewatch.kek_checks (kek_version, check_value)
    values (1, ${await kekCheckValue(kek)}) on conflict do nothing`
  await sql`insert into flarewatch.audit_keys (tenant_id, version, kek_version, wrapped_key)
    values (${tenantId}, 1, 1, ${wrappedAuditKey})`
  await sql`insert into flarewatch.tenant_keys (tenant_id, version, kek_version, wrapped_dek)
    values (${tenantId}, 1, 1, ${await wrap('tenant-dek')})`
  await sql`
    insert into flarewatch.credentials (id, tenant_id, provider, label, kek_version, wrapped_dek, dek_version, salt,
      ciphertext, last4, scope, grade, next_poll_at, created_by)
    values (${credentialId}, ${tenantId}, 'cloudflare', 'Cloudflare', 1, ${await wrap('credential-dek')}, 1, ${salt},
      ${ciphertext}, ${token.slice(-4)}, '3 zones', 'read_only', ${new Date(stack.now)}, ${randomUUID()})`
  const siteIds: string[] = []
  for (const zone of new World(WORLD_SEED).zones) {
    const id = randomUUID()
    siteIds.push(id)
    await sql`insert into flarewatch.sites (id, tenant_id, credential_id, provider, provider_ref, name)
      values (${id}, ${tenantId}, ${credentialId}, 'cloudflare', ${zone.id}, ${zone.name})`
  }
  return { tenantId, credentialId, siteIds }
}

export async function ledgerOf({ miniflare }: PollingStack, tenantId: TenantId): Promise<AuditLedgerApi> {
  const namespace = await miniflare.getDurableObjectNamespace('AUDIT_LEDGER', 'flarewatch-vault')
  // Miniflare's stub has the methods of the class behind it and no type for them.
  const stub: unknown = namespace.get(namespace.idFromName(tenantId))
  return stub as AuditLedgerApi
}
