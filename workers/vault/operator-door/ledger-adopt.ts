import type { TenantId } from '../../../domain/contracts/ids.ts'
import { failure, type Result, success } from '../../../domain/result.ts'
import { newRowId, sealEvent } from '../audit-append.ts'
import { askLedger } from '../ledger.ts'
import type { Witness } from '../stored-chain.ts'
import type { Visit } from '../visit.ts'
import { requireOurRows } from './foreign-rows.ts'
import { ACTOR, type Operation, operatorRefusal } from './operation.ts'
import { raiseCutOff, receiptWitness, witnessedChain } from './witnesses.ts'

/**
 * Flow 3: a ledger that lost history takes over the chain of Postgres, once that chain verifies, the newest receipt and the
 * ledger's own last acknowledged row agree with it, and our key opens every row that the ledger did not acknowledge.
 */
export const ledgerAdopt: Operation<'ledger-adopt'> = async (visit, { tenant_id: tenantId, receipt: note }) => {
  const receipt = await receiptWitness(visit, tenantId, note)
  if (!receipt.ok) return receipt
  const before = await askLedger(visit.bindings, tenantId, (ledger) => ledger.head())
  if (!before.ok) return before
  const { seq, flushedSeq, behind } = before.value
  if (!behind) return failure('not_behind')
  const own = await ledgerWitness(visit, tenantId, flushedSeq)
  if (!own.ok) return own
  const chain = await witnessedChain(visit, tenantId, [receipt.value, own.value])
  if (!chain.ok) return chain
  const ours = await requireOurRows(visit, tenantId, flushedSeq)
  if (!ours.ok) return ours

  const { end } = chain.value
  const rowId = newRowId()
  const detail = { from_seq: String(seq), adopted_seq: String(end.seq) }
  const event = { tenantId, actor: ACTOR, action: 'ledger.adopt', target: `tenant:${tenantId}`, detail } as const
  const row = await sealEvent(visit, event, rowId)
  if (!row.ok) return failure(operatorRefusal(row.code))
  const request = { row: row.value, at: visit.at, end }
  const adopted = await askLedger(visit.bindings, tenantId, (ledger) => ledger.adopt(request))
  if (!adopted.ok) return adopted
  if (!adopted.value.ok) {
    const { code } = adopted.value
    if (code === 'postgres_behind') await raiseCutOff(visit, tenantId, end.seq)
    return failure(code === 'row_conflict' ? 'ledger_refused' : code)
  }
  return success({
    row_id: rowId,
    from_seq: seq,
    adopted_seq: end.seq,
    receipt_size: receipt.value?.seq ?? null,
    carried: adopted.value.carried,
  })
}

/** The last row that Postgres acknowledged to the ledger, as long as the ledger keeps it. */
async function ledgerWitness(
  { bindings }: Visit,
  tenantId: TenantId,
  flushedSeq: number,
): Promise<Result<Witness | null, 'ledger_unreachable'>> {
  if (flushedSeq === 0) return success(null)
  const rows = await askLedger(bindings, tenantId, (ledger) => ledger.rowsFrom(flushedSeq, 1))
  if (!rows.ok) return rows
  const [row] = rows.value
  return success(row?.seq === flushedSeq ? { by: 'ledger', seq: flushedSeq, hash: row.hash } : null)
}
