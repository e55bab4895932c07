import { z } from 'zod'
import { toBase64 } from '../../../domain/bytes.ts'
import { AuditProofResponse } from '../../../domain/contracts/api.ts'
import { AuditRowId, type TenantId } from '../../../domain/contracts/ids.ts'
import { inclusionProofFromTiles } from '../../../domain/merkle/tiles.ts'
import { hashLeaf } from '../../../domain/merkle/tree.ts'
import type { Bindings } from '../bindings.ts'
import { type Leaf, leafOf, type RowName } from '../queries/audit-log.ts'
import { isCertified, prunedRows, pruningCertificate } from '../queries/certificates.ts'
import { newestSigned, readReceipt, type SignedSize, tileReader } from '../receipt-bucket.ts'
import { Refusal } from '../refusal.ts'
import { requireSession } from '../session.ts'
import { answer, type Handler, parseId, parseQuery } from '../visit.ts'
import { type Tenancy, withTenant } from '../with-tenant.ts'

const wholeNumber = z
  .string()
  .regex(/^[1-9]\d{0,14}$/)
  .transform(Number)
const RowPath = z.union([
  wholeNumber.transform((seq): RowName => ({ seq })),
  AuditRowId.transform((rowId): RowName => ({ rowId })),
])
const Query = z.strictObject({ size: wholeNumber.optional() })

/** That one row is in the signed tree. Nothing is opened, so nothing is recorded; that a row exists is for members at AAL2 (A2). */
export const auditProof: Handler = async (request, visit) => {
  const session = await requireSession(request, visit)
  const name = parseId(request.params.row, RowPath)
  const { size } = parseQuery(visit.url, Query)
  if (session.aal !== 'aal2') throw new Refusal('aal2_required')
  const { tenantId, leaf, pruned } = await withTenant(request, session, visit, async (tenancy) => ({
    tenantId: tenancy.tenantId,
    leaf: await storedLeaf(tenancy, name),
    pruned: prunedRows(visit.url, tenancy.tenantId, await pruningCertificate(tenancy)),
  }))
  const signed = await signedSize(visit.bindings, tenantId, size)
  if (signed.size < leaf.seq) throw new Refusal(size === undefined ? 'not_signed_yet' : 'not_found')
  const proof = await inclusionProofFromTiles(leaf.seq - 1, signed.size, tileReader(visit.bindings, tenantId))
  return answer(AuditProofResponse, {
    seq: leaf.seq,
    row_id: leaf.row_id,
    row_hash: toBase64(leaf.hash),
    leaf_hash: toBase64(hashLeaf(leaf.hash)),
    size: signed.size,
    proof: proof.map(toBase64),
    checkpoint: signed.note,
    pruned,
  })
}

/** Of a row that was pruned its leaf is still in the tree, but not what it would be the leaf of. */
async function storedLeaf(tenancy: Tenancy, name: RowName): Promise<Leaf> {
  const leaf = await leafOf(tenancy, name)
  if (leaf !== null) return leaf
  throw new Refusal('seq' in name && (await isCertified(tenancy, name.seq)) ? 'row_pruned' : 'not_found')
}

/** Only sizes that were signed: of any other the tiles may not be there, and no receipt could be compared. */
async function signedSize(bindings: Bindings, log: TenantId, size: number | undefined): Promise<SignedSize> {
  if (size === undefined) {
    const newest = await newestSigned(bindings, log)
    if (newest === null) throw new Refusal('not_signed_yet')
    return newest
  }
  const note = await readReceipt(bindings, log, size)
  if (note === null) throw new Refusal('not_found')
  return { size, note }
}
