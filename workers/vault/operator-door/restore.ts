import { CANARY, canaryContext } from '../../../domain/backup/canary.ts'
import { equalConstantTime, fromBase64Url, toBase64Url, zeroize } from '../../../domain/bytes.ts'
import type { AuditRowId } from '../../../domain/contracts/ids.ts'
import type { OperatorErrorCode } from '../../../domain/contracts/operator-door.ts'
import { failure, type Result, success } from '../../../domain/result.ts'
import { appendOutcome, newRowId, outcomeRowId } from '../audit-append.ts'
import { forgetAuditKeys } from '../audit-keys.ts'
import { raiseIncident } from '../incidents.ts'
import { currentKeks } from '../keks.ts'
import { askLedger, askRoster } from '../ledger.ts'
import { type OpenRefusal, release, type Unlocked, type Wrap } from '../release.ts'
import type { StoredChain, Witness } from '../stored-chain.ts'
import { readTenantDek, type TenantDek } from '../tenant-dek.ts'
import type { Visit } from '../visit.ts'
import { requireOurRows } from './foreign-rows.ts'
import { ACTOR, type Operation, operatorRefusal, type RequestOf, type ResponseOf } from './operation.ts'
import { raiseCutOff, receiptWitness, witnessedChain } from './witnesses.ts'

type Request = RequestOf<'restore-tenant'>

export const restoreOffer: Operation<'restore-offer'> = async ({ bindings, at }, { tenant_id: tenantId }) => {
  const offer = await askLedger(bindings, tenantId, (ledger) => ledger.offerRestore(tenantId, at))
  if (!offer.ok) return offer
  if (!offer.value.ok) return failure(offer.value.code === 'tenant_mismatch' ? 'ledger_refused' : offer.value.code)
  return success({ offer_id: offer.value.offerId, public_key: toBase64Url(offer.value.publicKey) })
}

/**
 * Gives a lost ledger its shares back, in this order: what Postgres holds must be the chain that receipt and backup saw;
 * the ledger takes shares and place; our key must open every row beyond those witnesses; the canary and the tenant's DEK
 * must open by a release, which is a row; the roster names the tenant again; only then is the ledger live.
 */
export const restoreTenant: Operation<'restore-tenant'> = async (visit, request) => {
  const { tenant_id: tenantId } = request
  const receipt = await receiptWitness(visit, tenantId, request.receipt)
  if (!receipt.ok) return receipt
  const chain = await chainOf(visit, request, receipt.value)
  if (!chain.ok) return chain
  const proofRow = newRowId()
  const taken = await giveShares(visit, request, chain.value, proofRow)
  if (!taken.ok) return taken
  // A key held from before the loss would hide that the audit share does not open its wrap.
  forgetAuditKeys(tenantId)
  const covered = Math.max(request.seq, receipt.value?.seq ?? 0)
  const ours = await requireOurRows(visit, tenantId, covered)
  if (!ours.ok) return ours
  const proved = await prove(visit, request, proofRow)
  if (!proved.ok) return proved
  const concluded = await conclude(visit, request, chain.value, proofRow)
  if (!concluded.ok) return concluded
  return success({
    row_id: proofRow,
    seq: chain.value.end.seq,
    receipt_size: receipt.value?.seq ?? null,
    canary: proved.value,
  })
}

async function chainOf(
  visit: Visit,
  { tenant_id: tenantId, seq, hash, birth_hash }: Request,
  receipt: Witness | null,
): Promise<Result<StoredChain, OperatorErrorCode>> {
  const backup = [
    { by: 'backup', seq, hash: bytesOf(hash) },
    { by: 'backup', seq: 1, hash: bytesOf(birth_hash) },
  ] as const
  return witnessedChain(visit, tenantId, [receipt, ...backup])
}

async function giveShares(
  visit: Visit,
  { tenant_id: tenantId, offer_id, sealed, birth_hash }: Request,
  { end }: StoredChain,
  proofRow: AuditRowId,
): Promise<Result<null, OperatorErrorCode>> {
  const request = {
    tenantId,
    offerId: offer_id,
    sealed: bytesOf(sealed),
    birthHash: bytesOf(birth_hash),
    end,
    proofRow,
    outcomeRow: outcomeRowId(proofRow),
    at: visit.at,
  }
  const taken = await askLedger(visit.bindings, tenantId, (ledger) => ledger.restore(request))
  if (!taken.ok) return taken
  if (taken.value.ok) return success(null)
  if (taken.value.code === 'postgres_behind') await raiseCutOff(visit, tenantId, end.seq)
  return failure(taken.value.code === 'tenant_mismatch' ? 'ledger_refused' : taken.value.code)
}

type CanaryOutcome = ResponseOf<'restore-tenant'>['canary']

async function prove(
  visit: Visit,
  { tenant_id: tenantId, backup_id, canary }: Request,
  rowId: AuditRowId,
): Promise<Result<CanaryOutcome, OperatorErrorCode>> {
  const ring = await currentKeks(visit)
  if (!ring.ok) return failure(operatorRefusal(ring.code))
  const dek = await readTenantDek(visit, tenantId)
  if (!dek.ok) return dek
  const { value: tenantDek } = dek
  const outcome: CanaryOutcome =
    canary === null ? 'absent' : ring.value.opening(canary.kek_version, 'door').ok ? 'opened' : 'kek_retired'
  const sung = canary === null || outcome !== 'opened' ? null : wrapOf(canary)
  const act = {
    door: 'operator',
    tenantId,
    actor: ACTOR,
    action: 'keys.restore',
    target: `tenant:${tenantId}`,
    detail: { backup: backup_id, canary: outcome },
    rowId,
  } as const
  const released = await release(visit, act, (unlocked) => opensAll(unlocked, tenantId, sung, tenantDek))
  if (released.ok) return success(outcome)
  if (released.code === 'not_openable') {
    await raiseIncident(visit, tenantId, { kind: 'restore_unproven', seq: null, detail: { row_id: rowId } })
  }
  return failure(operatorRefusal(released.code))
}

/** Two witnesses of the share: the canary of the backup's day, and the wrap that the tenant's credentials hang on today. */
async function opensAll(
  { unwrap }: Unlocked,
  tenantId: string,
  canary: Wrap | null,
  dek: TenantDek | null,
): Promise<Result<null, OpenRefusal>> {
  if (canary === null && dek === null) return failure('not_openable')
  if (canary !== null) {
    const opened = await unwrap(canaryContext(tenantId), canary)
    if (!opened.ok || !equalConstantTime(opened.value, CANARY)) return failure('not_openable')
  }
  if (dek !== null) {
    const opened = await unwrap({ purpose: 'tenant-dek', tenantId, keyVersion: dek.version }, dek)
    if (!opened.ok) return opened
    zeroize(opened.value)
  }
  return success(null)
}

async function conclude(
  visit: Visit,
  { tenant_id: tenantId, birth_hash }: Request,
  { birth }: StoredChain,
  rowId: AuditRowId,
): Promise<Result<null, OperatorErrorCode>> {
  const entry = { firstHash: bytesOf(birth_hash), at: birth?.at ?? visit.at }
  const entered = await askRoster(visit.bindings, (roster) => roster.enter(tenantId, entry.firstHash, entry.at))
  if (!entered.ok) return entered
  if (!entered.value.ok) {
    await raiseIncident(visit, tenantId, { kind: 'roster_conflict', seq: 1, detail: { row_id: rowId } })
    return failure('roster_conflict')
  }
  const intent = { tenantId, actor: ACTOR, target: `tenant:${tenantId}`, rowId } as const
  const told = await appendOutcome(visit, intent, { succeeded: true, code: 'restored' })
  if (!told.ok) return failure(operatorRefusal(told.code))
  const concluded = await askLedger(visit.bindings, tenantId, (ledger) => ledger.concludeRestore(rowId))
  if (!concluded.ok) return concluded
  return concluded.value ? success(null) : failure('ledger_refused')
}

function wrapOf({ kek_version, wrapped }: NonNullable<Request['canary']>): Wrap {
  return { kekVersion: kek_version, wrapped: bytesOf(wrapped) }
}

/** The door's schema has seen that it is base64url. What is not canonical is nothing that opens or is equal. */
function bytesOf(text: string): Uint8Array {
  const bytes = fromBase64Url(text)
  return bytes.ok ? bytes.value : new Uint8Array()
}
