import { randomBytes, randomUUID } from 'node:crypto'
import { chainOf, insertRow } from './audit-rows.ts'
import type { Tx } from './database.ts'

/** Two agencies that must never see each other, and the people around them. */
export type Tenant = {
  readonly id: string
  readonly owner: string
  readonly viewer: string
  /** A member who never enrolled TOTP. */
  readonly unenrolled: string
  readonly credentialId: string
  readonly siteId: string
  readonly jobId: string
}
export type World = { readonly ash: Tenant; readonly birch: Tenant; readonly outsider: string }

/** Decision times are arguments; this is the tests' own "now", in a month that has partitions. */
export const NOW = new Date(Math.floor(Date.now() / 3_600_000) * 3_600_000)
export const LEASE_END = new Date(NOW.getTime() + 600_000)
export const AFTER_LEASE = new Date(LEASE_END.getTime() + 1000)

export async function seedWorld(tx: Tx): Promise<World> {
  const outsider = randomUUID()
  await enrolTotp(tx, outsider, 'verified')
  return { ash: await seedTenant(tx, 'Ash'), birch: await seedTenant(tx, 'Birch'), outsider }
}

export async function addAccount(tx: Tx, userId: string, email: string, confirmedAt: Date | null = NOW): Promise<void> {
  await tx`insert into auth.users (id, email, email_confirmed_at) values (${userId}, ${email}, ${confirmedAt})`
}

export async function enrolTotp(tx: Tx, userId: string, status: 'verified' | 'unverified'): Promise<void> {
  await tx`
    insert into auth.mfa_factors (id, user_id, factor_type, status, created_at, updated_at)
    values (${randomUUID()}, ${userId}, 'totp', ${status}::auth.factor_status, ${NOW}, ${NOW})`
}

async function seedTenant(tx: Tx, name: string): Promise<Tenant> {
  const tenant: Tenant = {
    id: randomUUID(),
    owner: randomUUID(),
    viewer: randomUUID(),
    unenrolled: randomUUID(),
    credentialId: randomUUID(),
    siteId: randomUUID(),
    jobId: randomUUID(),
  }
  await seedPeople(tx, tenant, name)
  await seedKeys(tx, tenant)
  await seedPolling(tx, tenant)
  await seedProof(tx, tenant)
  return tenant
}

async function seedPeople(tx: Tx, tenant: Tenant, name: string): Promise<void> {
  await tx`insert into flarewatch.tenants (id, name, state, activated_at) values (${tenant.id}, ${name}, 'active', ${NOW})`
  for (const [user, role] of [
    [tenant.owner, 'owner'],
    [tenant.viewer, 'viewer'],
    [tenant.unenrolled, 'operator'],
  ] as const) {
    await tx`insert into flarewatch.members (tenant_id, user_id, role) values (${tenant.id}, ${user}, ${role})`
    await addAccount(tx, user, `${role}@${name.toLowerCase()}.test`)
  }
  await enrolTotp(tx, tenant.owner, 'verified')
  await enrolTotp(tx, tenant.viewer, 'verified')
  await enrolTotp(tx, tenant.unenrolled, 'unverified')
}

async function seedKeys(tx: Tx, { id }: Tenant): Promise<void> {
  await tx`insert into flarewatch.tenant_keys (tenant_id, version, kek_version, wrapped_dek) values (${id}, 1, 1, ${randomBytes(60)})`
  await tx`insert into flarewatch.audit_keys (tenant_id, version, kek_version, wrapped_key) values (${id}, 1, 1, ${randomBytes(60)})`
}

export async function seedCredential(tx: Tx, tenantId: string, id: string, dueAt: Date): Promise<void> {
  await tx`
    insert into flarewatch.credentials (id, tenant_id, provider, label, kek_version, wrapped_dek, dek_version, salt, ciphertext,
      last4, scope, grade, next_poll_at, created_by)
    values (${id}, ${tenantId}, 'cloudflare', 'Main', 1, ${randomBytes(60)}, 1, ${randomBytes(32)}, ${randomBytes(100)},
      'wxyz', '3 zones', 'read_only', ${dueAt}, ${randomUUID()})`
}

async function seedPolling(tx: Tx, { id, credentialId, siteId, jobId }: Tenant): Promise<void> {
  await seedCredential(tx, id, credentialId, NOW)
  await tx`insert into flarewatch.sites (id, tenant_id, credential_id, provider, provider_ref, name)
    values (${siteId}, ${id}, ${credentialId}, 'cloudflare', ${siteId}, 'example.org')`
  await tx`insert into flarewatch.jobs (id, tenant_id, credential_id, lease_until, created_at)
    values (${jobId}, ${id}, ${credentialId}, ${LEASE_END}, ${NOW})`
  await tx`insert into flarewatch.cursors (site_id, dataset, tenant_id, complete_until, updated_at)
    values (${siteId}, 'hourly', ${id}, ${NOW}, ${NOW})`
  for (const table of ['facts_hourly', 'facts_daily']) {
    await tx`insert into ${tx(`flarewatch.${table}`)} ${tx(factOf(id, siteId))}`
  }
  await tx`insert into flarewatch.facts_top ${tx(topOf(id, siteId))}`
  await tx`insert into flarewatch.findings ${tx(findingOf(id, siteId))}`
}

export function topOf(tenantId: string, siteId: string, key = 'DE') {
  const { metric: _, unit: __, ...origin } = factOf(tenantId, siteId)
  return { ...origin, dimension: 'country', rank: 1, key }
}

export function findingOf(tenantId: string, siteId: string, subject = 'public.orders') {
  return {
    site_id: siteId,
    tenant_id: tenantId,
    provider: 'supabase',
    kind: 'no_primary_key',
    subject,
    level: 'info',
    first_seen: NOW,
    last_seen: NOW,
  }
}

export function factOf(tenantId: string, siteId: string, metric = 'requests') {
  return {
    site_id: siteId,
    tenant_id: tenantId,
    provider: 'cloudflare',
    metric,
    window_start: NOW,
    window_end: new Date(NOW.getTime() + 3_600_000),
    value: '41',
    unit: 'count',
    source: 'httpRequestsAdaptiveGroups',
    fetched_at: NOW,
    sampling: '1',
    completeness: 'complete',
  }
}

async function seedProof(tx: Tx, { id, owner }: Tenant): Promise<void> {
  for (const row of chainOf(id, NOW, 2)) await insertRow(tx, row)
  await tx`insert into flarewatch.receipts (log, size, root, chain_head, note, at)
    values (${id}, 2, ${randomBytes(32)}, ${randomBytes(32)}, 'note', ${NOW})`
  await tx`insert into flarewatch.verification_runs (log, due_at, started_at, finished_at, size, sound)
    values (${id}, ${NOW}, ${NOW}, ${NOW}, 2, true)`
  // Its trigger writes the owner's mail.
  await tx`insert into flarewatch.incidents (id, tenant_id, kind, part, at)
    values (${randomUUID()}, ${id}, 'ledger_behind', 'verifier', ${NOW})`
  await tx`insert into flarewatch.idempotency (user_id, key, function, request_digest, response)
    values (${owner}, ${randomUUID()}, 'credential-store', ${randomBytes(32)}, '{}')`
}
