import { randomBytes, randomUUID } from 'node:crypto'
import { type AuditContent, openContent, sealContent } from '../../domain/audit/content.ts'
import type { AuditRow } from '../../domain/audit/row.ts'
import { utf8 } from '../../domain/bytes.ts'
import { type AuditLedgerApi, ROSTER_NAME, type TenantRosterApi } from '../../domain/contracts/durable-objects.ts'
import { TenantId } from '../../domain/contracts/ids.ts'
import { kekCheckValue } from '../../domain/envelope/kek.ts'
import { deriveSubkey, sealRecord } from '../../domain/envelope/record.ts'
import { wrapKey } from '../../domain/envelope/wrap.ts'
import { World } from '../simulators/cloudflare/world.ts'
import { type PollingStack, WORLD_SEED } from './polling-stand.ts'

export type Agency = {
  readonly tenantId: TenantId
  /** The first of its credentials, which is the one with sites. */
  readonly credentialId: string
  readonly credentialIds: readonly string[]
  readonly siteIds: readonly string[]
  /** What opens its audit rows, as no one outside the vault can. */
  readonly auditKey: Uint8Array
  /** Stores one more secret of it, sealed: an API key that is due now, or what signs the webhooks of one. */
  readonly store: (id: string, secret: string, webhookOf?: string) => Promise<void>
}

/**
 * A tenant with sealed credentials, as its birth and stores leave them: keys wrapped under the ledger's own shares,
 * the rows written beside the Edge Functions, whose road is tested elsewhere.
 */
export async function foundAgency(stack: PollingStack, token: string, credentials = 1): Promise<Agency> {
  const { sql, kek } = stack
  const tenantId = TenantId.parse(randomUUID())
  const credentialIds = Array.from({ length: credentials }, () => randomUUID()).sort()
  const [credentialId = ''] = credentialIds
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
  await (await rosterOf(stack)).enter(tenantId, born.hash, stack.now)
  const dek = new Uint8Array(randomBytes(32))
  const dekContext = { purpose: 'tenant-dek', tenantId, keyVersion: 1 } as const

  await sql`insert into flarewatch.kek_checks (kek_version, check_value)
    values (1, ${await kekCheckValue(kek)}) on conflict do nothing`
  await sql`insert into flarewatch.audit_keys (tenant_id, version, kek_version, wrapped_key)
    values (${tenantId}, 1, 1, ${wrappedAuditKey})`
  await sql`insert into flarewatch.tenant_keys (tenant_id, version, kek_version, wrapped_dek)
    values (${tenantId}, 1, 1, ${await wrapKey({ kek, share, context: dekContext, key: dek })})`
  for (const id of credentialIds) await storeSealed(stack, { tenantId, id, dek, share, token })
  const siteIds: string[] = []
  for (const zone of new World(WORLD_SEED).zones) {
    const id = randomUUID()
    siteIds.push(id)
    await sql`insert into flarewatch.sites (id, tenant_id, credential_id, provider, provider_ref, name)
      values (${id}, ${tenantId}, ${credentialId}, 'cloudflare', ${zone.id}, ${zone.name})`
  }
  const store = (id: string, secret: string, webhookOf?: string) =>
    storeSealed(stack, { tenantId, id, dek, share, token: secret, ...(webhookOf === undefined ? {} : { webhookOf }) })
  return { tenantId, credentialId, credentialIds, siteIds, auditKey, store }
}

type Stored = {
  readonly tenantId: TenantId
  readonly id: string
  readonly dek: Uint8Array
  readonly share: Uint8Array
  readonly token: string
  readonly webhookOf?: string
}

async function storeSealed(
  { sql, kek, now }: PollingStack,
  { tenantId, id, dek, share, token, webhookOf }: Stored,
): Promise<void> {
  const salt = new Uint8Array(randomBytes(32))
  const context = { tenantId, credentialId: id, dekVersion: 1 }
  const subkey = await deriveSubkey({ dek, salt, context })
  const ciphertext = await sealRecord({ subkey, context, plaintext: utf8(token) })
  const wrapContext = { purpose: 'credential-dek', tenantId, credentialId: id, keyVersion: 1 } as const
  await sql`
    insert into flarewatch.credentials (id, tenant_id, provider, label, kek_version, wrapped_dek, dek_version, salt,
      ciphertext, last4, scope, grade, next_poll_at, created_by, webhook_of)
    values (${id}, ${tenantId}, 'cloudflare', 'Cloudflare', 1, ${await wrapKey({ kek, share, context: wrapContext, key: dek })}, 1,
      ${salt}, ${ciphertext}, ${token.slice(-4)}, '3 zones', 'read_only',
      coalesce(${webhookOf === undefined ? new Date(now) : null}::timestamptz, 'infinity'), ${randomUUID()}, ${webhookOf ?? null})`
}

/** What the agency's rows say, oldest first. */
export async function contentsOf(stack: PollingStack, { tenantId, auditKey }: Agency): Promise<AuditContent[]> {
  const rows: AuditRow[] = await (await ledgerOf(stack, tenantId)).rowsFrom(1, 500)
  const opened = await Promise.all(rows.map((row) => openContent({ auditKey, row })))
  return opened.map((content) => {
    if (!content.ok) throw new Error(content.code)
    return content.value
  })
}

export async function rosterOf({ miniflare }: PollingStack): Promise<TenantRosterApi> {
  const namespace = await miniflare.getDurableObjectNamespace('TENANT_ROSTER', 'flarewatch-vault')
  const stub: unknown = namespace.get(namespace.idFromName(ROSTER_NAME))
  return stub as TenantRosterApi
}

export async function ledgerOf({ miniflare }: PollingStack, tenantId: TenantId): Promise<AuditLedgerApi> {
  const namespace = await miniflare.getDurableObjectNamespace('AUDIT_LEDGER', 'flarewatch-vault')
  // Miniflare's stub has the methods of the class behind it and no type for them.
  const stub: unknown = namespace.get(namespace.idFromName(tenantId))
  return stub as AuditLedgerApi
}
