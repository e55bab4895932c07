import type { TenantId } from '../../../domain/contracts/ids.ts'
import type { OperatorErrorCode } from '../../../domain/contracts/operator-door.ts'
import { originOf, parseCheckpoint } from '../../../domain/note/checkpoint.ts'
import { parseVkey } from '../../../domain/note/keys.ts'
import { openNote } from '../../../domain/note/signed-note.ts'
import { failure, type Result, success } from '../../../domain/result.ts'
import { raiseIncident } from '../incidents.ts'
import { type StoredChain, verifyStoredChain, type Witness } from '../stored-chain.ts'
import type { Visit } from '../visit.ts'

/** What a receipt says of the tenant's chain, once our log's key is seen to have signed it; null for none. */
export async function receiptWitness(
  { bindings }: Visit,
  tenantId: TenantId,
  note: string | null,
): Promise<Result<Witness | null, 'receipt_invalid'>> {
  if (note === null) return success(null)
  const verifier = parseVkey(bindings.LOG_VKEY)
  if (!verifier.ok) return failure('receipt_invalid')
  const opened = await openNote(note, [verifier.value])
  const checkpoint = opened.ok ? parseCheckpoint(opened.value.text) : opened
  if (!checkpoint.ok) return failure('receipt_invalid')
  const { origin, size, chainHead } = checkpoint.value
  if (origin !== originOf(verifier.value.name, tenantId)) return failure('receipt_invalid')
  return success({ by: 'receipt', seq: size, hash: chainHead })
}

/** The chain in Postgres, if nobody who saw it contradicts. A contradiction is an incident. */
export async function witnessedChain(
  visit: Visit,
  tenantId: TenantId,
  witnesses: readonly (Witness | null)[],
): Promise<Result<StoredChain, OperatorErrorCode>> {
  const present = witnesses.filter((witness) => witness !== null)
  const chain = await verifyStoredChain(visit, tenantId, present)
  if (chain.ok) return chain
  const { code, seq } = chain
  if (seq !== null) await raiseIncident(visit, tenantId, { kind: code, seq, detail: { during: 'recovery' } })
  return failure(code)
}

/** The ledger itself has seen more rows in Postgres than there are now. */
export async function raiseCutOff(visit: Visit, tenantId: TenantId, endSeq: number): Promise<void> {
  await raiseIncident(visit, tenantId, { kind: 'postgres_behind', seq: endSeq + 1, detail: { during: 'recovery' } })
}
