import { success } from '../../../domain/result.ts'
import { askLedger } from '../ledger.ts'
import type { Operation } from './operation.ts'

export const ledgerStatus: Operation<'ledger-status'> = async ({ bindings }, { tenant_id: tenantId }) => {
  const standing = await askLedger(bindings, tenantId, (ledger) => ledger.standing(tenantId))
  if (!standing.ok) return standing
  const { state, seq, flushedSeq, storedSeq, missing, frozen } = standing.value
  return success({ state, seq, flushed_seq: flushedSeq, stored_seq: storedSeq, missing, frozen })
}
