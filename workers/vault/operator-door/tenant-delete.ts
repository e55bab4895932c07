import { toBase64 } from '../../../domain/bytes.ts'
import { failure, type Result, success } from '../../../domain/result.ts'
import { rpcRefusal } from '../rpc-refusal.ts'
import {
  beginDeletion,
  type DeletionRefusal,
  eraseRows,
  markDeleted,
  readCertificate,
  shredKeys,
} from '../tenant-deletion.ts'
import type { Operation } from './operation.ts'

/** Goes as far as one call may, and says how far it came. Whoever asks again completes it; whoever asks once more is told the same. */
export const tenantDelete: Operation<'tenant-delete'> = async (visit, { tenant_id: tenantId, confirm }) => {
  const begun = await beginDeletion(visit, tenantId, confirm)
  if (!begun.ok) return refused(begun.code)
  const shredded = await shredKeys(visit, tenantId)
  if (!shredded.ok) return refused(shredded.code)
  const marked = await markDeleted(visit, tenantId, shredded.value)
  if (!marked.ok) return failure('ledger_unreachable')
  const rows = await eraseRows(visit, tenantId)
  if (!rows.ok) return rows
  const certificate = await readCertificate(visit, tenantId)
  if (!certificate.ok) return certificate
  return success({
    state: rows.value.done ? 'deleted' : 'deleting',
    erased: rows.value.erased,
    last_seq: shredded.value.seq,
    chain_head: toBase64(shredded.value.hash),
    shredded_at: new Date(shredded.value.at).toISOString(),
    certificate: certificate.value,
  })
}

function refused(
  code: DeletionRefusal,
): Result<never, 'tenant_unknown' | 'name_mismatch' | ReturnType<typeof rpcRefusal>> {
  return failure(code === 'tenant_unknown' || code === 'name_mismatch' ? code : rpcRefusal(code))
}
