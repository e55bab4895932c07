import { z } from 'zod'
import { toHex } from '../../../domain/bytes.ts'
import { CredentialId, TenantId } from '../../../domain/contracts/ids.ts'
import type { WrapContext } from '../../../domain/envelope/wrap.ts'
import type { Wrap } from '../release.ts'
import type { Visit } from '../visit.ts'

/** A stored wrap and where it is stored. */
export type StoredWrap = { readonly place: WrapContext; readonly wrap: Wrap }
export type MovedWrap = StoredWrap & { readonly to: Wrap }
export type StaleWraps = {
  readonly tenantKeys: readonly StoredWrap[]
  readonly auditKeys: readonly StoredWrap[]
  /** In order of id, one batch. */
  readonly credentials: readonly StoredWrap[]
  /** The last of a batch that is full; null when these were all. */
  readonly next: CredentialId | null
}

const BATCH_ROWS = 200
const TENANTS_A_PAGE = 100

const KeyRow = z.object({ version: z.int(), kek_version: z.int(), wrapped: z.instanceof(Uint8Array) })
const CredentialRow = KeyRow.omit({ version: true }).extend({ id: CredentialId, dek_version: z.int() })

/** Tenants with a wrap under one of the versions, in order of id, one page. */
export async function readStaleTenants(
  { sql }: Visit,
  from: readonly number[],
  after: TenantId | null,
): Promise<{ readonly tenants: TenantId[]; readonly next: TenantId | null }> {
  const later = after === null ? sql`` : sql`and tenant_id > ${after}`
  const rows = await sql`
    select tenant_id from flarewatch.tenant_keys where kek_version in ${sql(from)} ${later}
    union select tenant_id from flarewatch.audit_keys where kek_version in ${sql(from)} ${later}
    union select tenant_id from flarewatch.credentials where kek_version in ${sql(from)} ${later}
    order by tenant_id limit ${TENANTS_A_PAGE}`
  const tenants = rows.map(({ tenant_id }) => TenantId.parse(tenant_id))
  return { tenants, next: tenants.length < TENANTS_A_PAGE ? null : (tenants.at(-1) ?? null) }
}

export async function readStaleWraps(
  { sql }: Visit,
  tenantId: TenantId,
  from: readonly number[],
  after: CredentialId | null,
): Promise<StaleWraps> {
  const [tenantKeys, auditKeys, credentials] = await Promise.all([
    sql`select version, kek_version, wrapped_dek as wrapped from flarewatch.tenant_keys
      where tenant_id = ${tenantId} and kek_version in ${sql(from)}`,
    sql`select version, kek_version, wrapped_key as wrapped from flarewatch.audit_keys
      where tenant_id = ${tenantId} and kek_version in ${sql(from)}`,
    sql`select id, dek_version, kek_version, wrapped_dek as wrapped from flarewatch.credentials
      where tenant_id = ${tenantId} and kek_version in ${sql(from)} ${after === null ? sql`` : sql`and id > ${after}`}
      order by id limit ${BATCH_ROWS}`,
  ])
  const keyWrap = (purpose: 'tenant-dek' | 'audit-key') => (row: unknown) => {
    const { version: keyVersion, kek_version: kekVersion, wrapped } = KeyRow.parse(row)
    return { place: { purpose, tenantId, keyVersion }, wrap: { kekVersion, wrapped } }
  }
  const parsed = credentials.map((row) => CredentialRow.parse(row))
  return {
    tenantKeys: tenantKeys.map(keyWrap('tenant-dek')),
    auditKeys: auditKeys.map(keyWrap('audit-key')),
    credentials: parsed.map(({ id: credentialId, dek_version: keyVersion, kek_version: kekVersion, wrapped }) => ({
      place: { purpose: 'credential-dek', tenantId, credentialId, keyVersion },
      wrap: { kekVersion, wrapped },
    })),
    next: parsed.length < BATCH_ROWS ? null : (parsed.at(-1)?.id ?? null),
  }
}

/**
 * Each row by comparing what it holds: one that changed since it was read, such as by a rotation of the DEK, keeps what it
 * has. Readers never wait, since they need no lock. Gives the number of rows that moved.
 */
export async function storeMoved(visit: Visit, tenantId: TenantId, moved: readonly MovedWrap[]): Promise<number> {
  const of = (purpose: WrapContext['purpose']) =>
    visit.sql.json(
      moved
        .filter(({ place }) => place.purpose === purpose)
        .map(({ place, wrap, to }) => ({
          id: place.purpose === 'credential-dek' ? place.credentialId : null,
          version: place.keyVersion,
          kek_version: to.kekVersion,
          wrapped: toHex(to.wrapped),
          held: toHex(wrap.wrapped),
        })),
    )
  const { sql } = visit
  const columns = sql`moved (id uuid, version integer, kek_version integer, wrapped text, held text)`
  const updates = [
    sql`update flarewatch.tenant_keys k
      set kek_version = moved.kek_version, wrapped_dek = decode(moved.wrapped, 'hex')
      from jsonb_to_recordset(${of('tenant-dek')}::jsonb) as ${columns}
      where k.tenant_id = ${tenantId} and k.version = moved.version and k.wrapped_dek = decode(moved.held, 'hex')`,
    sql`update flarewatch.audit_keys k
      set kek_version = moved.kek_version, wrapped_key = decode(moved.wrapped, 'hex')
      from jsonb_to_recordset(${of('audit-key')}::jsonb) as ${columns}
      where k.tenant_id = ${tenantId} and k.version = moved.version and k.wrapped_key = decode(moved.held, 'hex')`,
    sql`update flarewatch.credentials c
      set kek_version = moved.kek_version, wrapped_dek = decode(moved.wrapped, 'hex')
      from jsonb_to_recordset(${of('credential-dek')}::jsonb) as ${columns}
      where c.tenant_id = ${tenantId} and c.id = moved.id and c.wrapped_dek = decode(moved.held, 'hex')`,
  ]
  const counts = await Promise.all(updates.map(async (update) => (await update).count))
  return counts.reduce((sum, count) => sum + count, 0)
}
