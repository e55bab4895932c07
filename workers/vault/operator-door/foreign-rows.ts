import type { TenantId } from '../../../domain/contracts/ids.ts'
import type { OperatorErrorCode } from '../../../domain/contracts/operator-door.ts'
import { failure, type Result, success } from '../../../domain/result.ts'
import { withAuditKeys } from '../audit-keys.ts'
import { raiseIncident } from '../incidents.ts'
import { firstForeignRow } from '../stored-chain.ts'
import type { Visit } from '../visit.ts'
import { operatorRefusal } from './operation.ts'

/**
 * Whether the rows that no witness covers were sealed by us. Whoever owns Postgres can add rows that hash well, and cannot
 * seal: that needs the tenant's audit key.
 */
export async function requireOurRows(
  visit: Visit,
  tenantId: TenantId,
  afterSeq: number,
): Promise<Result<null, OperatorErrorCode>> {
  const judged = await withAuditKeys(visit, tenantId, (keys) => firstForeignRow(visit, tenantId, afterSeq, keys))
  if (!judged.ok) return failure(operatorRefusal(judged.code))
  const { value: foreign } = judged
  if (!foreign.ok) return foreign
  if (foreign.value === null) return success(null)
  await raiseIncident(visit, tenantId, { kind: 'rows_not_ours', seq: foreign.value, detail: { during: 'recovery' } })
  return failure('rows_not_ours')
}
