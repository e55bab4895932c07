import { openContent } from '../../../domain/audit/content.ts'
import { OUTCOME_ACTION, RECOVERY_ACTIONS } from '../../../domain/contracts/acts.ts'
import { failure, success } from '../../../domain/result.ts'
import { appendOutcome } from '../audit-append.ts'
import { withAuditKeys } from '../audit-keys.ts'
import { askLedger } from '../ledger.ts'
import { edgeRefusal, type Operation } from './operation.ts'

const ENDED_AT_AAL1: ReadonlySet<string> = new Set(Object.values(RECOVERY_ACTIONS))

/** The outcome row of an intent: told once, and only by the user whose intent it was, also when the act ended their membership. */
export const settle: Operation<'settle'> = async (visit, { tenant_id, intent_row, succeeded, code }) => {
  const found = await askLedger(visit.bindings, tenant_id, (ledger) => ledger.rowOf(intent_row))
  if (!found.ok) return found
  const { value: row } = found
  if (row === null) return failure('request_invalid')
  const content = await withAuditKeys(visit, tenant_id, async ({ ofVersion }) => {
    const auditKey = ofVersion(row.keyVersion)
    return auditKey === null ? failure('not_openable') : openContent({ auditKey, row })
  })
  if (!content.ok) return failure(edgeRefusal(content.code))
  if (!content.value.ok) return content.value

  const { actor, action, target } = content.value.value
  const ours = `user:${visit.user.userId}` as const
  if (actor !== ours || action === OUTCOME_ACTION) return failure('request_invalid')
  if (visit.user.aal !== 'aal2' && !ENDED_AT_AAL1.has(action)) return failure('aal2_required')
  const intent = { tenantId: tenant_id, actor: ours, target, rowId: intent_row }
  const told = await appendOutcome(visit, intent, { succeeded, code })
  return told.ok ? success({}) : failure(edgeRefusal(told.code))
}
