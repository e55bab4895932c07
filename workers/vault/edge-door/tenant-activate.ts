import { sealedPart } from '../../../domain/audit/row.ts'
import { randomBytes, toBase64Url, zeroize } from '../../../domain/bytes.ts'
import type { AuditRowId, TenantId } from '../../../domain/contracts/ids.ts'
import { failure, type Result, success } from '../../../domain/result.ts'
import { type Actor, birthRowId } from '../audit-append.ts'
import { askLedger, askRoster } from '../ledger.ts'
import { membershipOf } from '../members.ts'
import { type Act, type Released, type ReleaseRefusal, release, type Wrap } from '../release.ts'
import { readTenantDek, type TenantDek } from '../tenant-dek.ts'
import { type EdgeVisit, edgeRefusal, type Operation, type ResponseOf } from './operation.ts'

const FIRST_VERSION = 1
const KEY_BYTES = 32

/**
 * Birth, second half (flow 0): row 1 is the intent, its acknowledgement's share wraps a new DEK, the roster learns of the
 * tenant. Taken up again after a crash it finds row 1 and goes on from there; once a DEK is stored it gives that wrap.
 */
export const tenantActivate: Operation<'tenant-activate'> = async (visit, { tenant_id }) => {
  const membership = await membershipOf(visit, tenant_id, visit.user.userId)
  if (!membership.ok) return membership
  if (membership.value.role !== 'owner') return failure('role_insufficient')
  const stored = await readTenantDek(visit, tenant_id)
  if (!stored.ok) return stored
  if (stored.value !== null) return success(answer(stored.value, birthRowId(tenant_id)))

  const first = await releaseForBirth(visit, tenant_id)
  // Two activations at the same moment seal different bytes under the one id: the later takes up the row that won.
  const lost = !first.ok && first.code === 'row_conflict'
  const released = lost ? await releaseForBirth(visit, tenant_id) : first
  if (!released.ok) return failure(edgeRefusal(released.code))
  const { opened, intentRow, place } = released.value
  if (place.seq !== 1) return failure('ledger_unreachable')
  const entered = await askRoster(visit.bindings, (roster) => roster.enter(tenant_id, place.hash, visit.at))
  if (!entered.ok) return entered
  if (!entered.value.ok) return failure('ledger_unreachable')
  return success(answer({ ...opened, version: FIRST_VERSION }, intentRow))
}

async function releaseForBirth(visit: EdgeVisit, tenantId: TenantId): Promise<Result<Released<Wrap>, ReleaseRefusal>> {
  const rowId = birthRowId(tenantId)
  const known = await askLedger(visit.bindings, tenantId, (ledger) => ledger.rowOf(rowId))
  if (!known.ok) return known
  const actor: Actor = `user:${visit.user.userId}`
  const act: Act = { door: 'edge', tenantId, actor, action: 'tenant.create', target: `tenant:${tenantId}`, detail: {} }
  const intent = known.value === null ? { rowId } : { intent: sealedPart(known.value) }
  return release(visit, { ...act, ...intent }, async ({ wrap }) => {
    const dek = randomBytes(KEY_BYTES)
    try {
      return await wrap({ purpose: 'tenant-dek', tenantId, keyVersion: FIRST_VERSION }, dek)
    } finally {
      zeroize(dek)
    }
  })
}

function answer({ version, kekVersion, wrapped }: TenantDek, intentRow: AuditRowId): ResponseOf<'tenant-activate'> {
  return {
    dek_version: version,
    kek_version: kekVersion,
    wrapped_dek: toBase64Url(wrapped),
    intent_row: intentRow,
  }
}
