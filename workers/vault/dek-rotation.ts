import { z } from 'zod'
import { randomBytes, zeroize } from '../../domain/bytes.ts'
import type { TenantId } from '../../domain/contracts/ids.ts'
import { failure, type Result, success } from '../../domain/result.ts'
import { type Actor, type AppendRefusal, appendEvent, appendOutcome, dekDestroyRowId } from './audit-append.ts'
import { reach } from './call.ts'
import { type Act, type ReleaseRefusal, release } from './release.ts'
import type { Visit } from './visit.ts'

const DEK_BYTES = 32

const Standing = z.object({
  newest: z.int().positive(),
  /** Oldest first; more than one while the tenant's records are being carried over to the newest. */
  versions: z.array(z.int().positive()).min(1),
  credentials: z.int(),
  /** Records on an older version than the newest. */
  behind: z.int(),
  /** Of those, the ones whose last try failed within the last minutes. */
  failing: z.int(),
})
export type Standing = z.infer<typeof Standing>

/** Null for a tenant without a DEK. */
export function dekStanding(
  { sql, at }: Visit,
  tenantId: TenantId,
): Promise<Result<Standing | null, 'store_unreachable'>> {
  const read = async () => {
    const [row] = await sql`
      select newest, to_jsonb(versions) as versions, credentials, behind, failing
      from flarewatch.dek_standing(${tenantId}, ${new Date(at)})`
    return row === undefined ? null : Standing.parse(row)
  }
  return reach('store_unreachable', read, { tenant_id: tenantId })
}

/**
 * A new version beside the one that records are on: from now on new records are sealed under it, and the scheduler has the others
 * re-sealed. False when another rotation was there first. The intent is told its outcome whichever way this ends.
 */
export async function addDek(
  visit: Visit,
  tenantId: TenantId,
  version: number,
): Promise<Result<boolean, ReleaseRefusal>> {
  const act: Act = {
    door: 'operator',
    tenantId,
    actor: 'operator',
    action: 'tenant_dek.rotate',
    target: `tenant:${tenantId}`,
    detail: { version: String(version) },
  }
  const released = await release(visit, act, async ({ wrap }) => {
    const dek = randomBytes(DEK_BYTES)
    try {
      return await wrap({ purpose: 'tenant-dek', tenantId, keyVersion: version }, dek)
    } finally {
      zeroize(dek)
    }
  })
  if (!released.ok) return released
  const { opened, intentRow } = released.value
  const add = async () => {
    const [row] = await visit.sql<{ added: boolean }[]>`
      select flarewatch.add_dek(${tenantId}, ${version}, ${opened.kekVersion}, ${opened.wrapped}) as added`
    return row?.added === true
  }
  const added = await reach('store_unreachable', add, { tenant_id: tenantId })
  const code = added.ok ? (added.value ? 'added' : 'rotation_under_way') : added.code
  await appendOutcome(visit, { ...act, rowId: intentRow }, { succeeded: added.ok && added.value, code })
  return added
}

/**
 * Once no record is left on an older version its wrap is destroyed, after the row that says so. The row's id follows from the newest
 * version, so that of several calls that end the same rotation one writes it. Answers the versions that this call destroyed.
 */
export async function destroyOldDeks(
  visit: Visit,
  tenantId: TenantId,
  actor: Actor,
): Promise<Result<readonly number[], AppendRefusal | 'store_unreachable'>> {
  const standing = await dekStanding(visit, tenantId)
  if (!standing.ok) return standing
  const { value: now } = standing
  if (now === null || now.behind > 0 || now.versions.length === 1) return success([])
  const rowId = dekDestroyRowId(tenantId, now.newest)
  const old = now.versions.filter((version) => version < now.newest).join(' ')
  const target = `tenant:${tenantId}`
  const event = { tenantId, actor, action: 'tenant_dek.destroy', target, detail: { versions: old } } as const
  const noted = await appendEvent(visit, event, rowId)
  if (!noted.ok && noted.code !== 'row_conflict') return failure(noted.code)
  const destroy = async () => {
    const rows = await visit.sql<{ version: number }[]>`
      select version from flarewatch.destroy_old_deks(${tenantId}) as version`
    return rows.map(({ version }) => version)
  }
  const destroyed = await reach('store_unreachable', destroy, { tenant_id: tenantId })
  if (destroyed.ok && destroyed.value.length > 0) {
    await appendOutcome(visit, { tenantId, actor, target, rowId }, { succeeded: true, code: 'destroyed' })
  }
  return destroyed
}
