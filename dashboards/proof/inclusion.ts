import { equalConstantTime, fromBase64, fromBase64Url } from '../../domain/bytes.ts'
import { hashLeaf, verifyInclusion } from '../../domain/merkle/tree.ts'
import type { AuditEntry, AuditProofResponse, z } from '../data/schemas.ts'
import { parseHashes, type Receipt } from './receipt.ts'

export type InclusionFault =
  /** The proof is for a row with another hash than the one that is shown. */
  | 'other_row'
  | 'size_mismatch'
  | 'proof_malformed'
  /** The row's hash and the proof do not lead to the signed root. */
  | 'root_mismatch'

type Row = Pick<z.infer<typeof AuditEntry>, 'seq' | 'hash'>
type Proof = Pick<z.infer<typeof AuditProofResponse>, 'seq' | 'row_hash' | 'size' | 'proof'>

/** Null when the row is a leaf of the tree whose root the receipt signs. The server's word for a leaf hash is not asked. */
export function inclusionFault(row: Row, proof: Proof, receipt: Receipt): InclusionFault | null {
  const shown = fromBase64Url(row.hash)
  const proven = fromBase64(proof.row_hash)
  if (!shown.ok || !proven.ok || proof.seq !== row.seq || !equalConstantTime(shown.value, proven.value)) {
    return 'other_row'
  }
  if (proof.size !== receipt.size) return 'size_mismatch'
  const hashes = parseHashes(proof.proof)
  if (hashes === null) return 'proof_malformed'
  const claim = { index: row.seq - 1, size: receipt.size, leafHash: hashLeaf(shown.value), root: receipt.root }
  return verifyInclusion({ ...claim, proof: hashes }) ? null : 'root_mismatch'
}
