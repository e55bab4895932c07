import { fromBase64Url, toBase64Url, zeroize } from '../../../domain/bytes.ts'
import type { ExpectAnswer } from '../../../domain/contracts/operator-keys.ts'
import { requestDigest } from '../../../domain/contracts/request-digest.ts'
import { targetOf } from '../../../domain/contracts/step-up.ts'
import { failure, type Result, success } from '../../../domain/result.ts'
import { newRowId } from '../audit-append.ts'
import { readSealedDek } from '../jobs.ts'
import { askOperatorKeys } from '../ledger.ts'
import { openingSubkey } from '../opening-subkey.ts'
import { release } from '../release.ts'
import {
  type EdgeRefusal,
  type EdgeVisit,
  edgeRefusal,
  type Operation,
  type RequestOf,
  requireRoleFor,
} from './operation.ts'
import { spendStepUp } from './step-up.ts'

const ACTION = 'credential.reveal'
type Asked = RequestOf<'credential-reveal'>

/**
 * V7: one record's subkey, and the public half that its plaintext is to be sealed to. The half is the Durable Object's, never
 * the request's or the database's, and before the row is written there is a place that only this act's answer fits.
 */
export const credentialReveal: Operation<'credential-reveal'> = async (visit, request) => {
  const { tenant_id: tenantId, credential_id: credentialId, key_id } = request
  const member = await requireRoleFor(visit, tenantId, ACTION)
  if (!member.ok) return member
  const stored = await readSealedDek(visit, request)
  if (!stored.ok) return stored
  const { value: sealed } = stored
  if (sealed === null) return failure('credential_unknown')
  const digest = await requestDigest(ACTION, request)
  const bound = { tenant_id: tenantId, action: ACTION, target_id: credentialId, request_digest: digest } as const
  const stepUp = await spendStepUp(visit, bound)
  if (!stepUp.ok) return stepUp
  const rowId = newRowId()
  const expected = await expectAnswer(visit, request, rowId)
  if (!expected.ok) return expected

  const act = {
    door: 'edge',
    tenantId,
    actor: `user:${visit.user.userId}`,
    action: ACTION,
    target: targetOf(ACTION, credentialId),
    detail: { operator_key: key_id },
    rowId,
  } as const
  const released = await release(visit, act, (unlocked) => openingSubkey(unlocked, request, sealed))
  if (!released.ok) return failure(edgeRefusal(released.code))
  const { opened: subkey, intentRow } = released.value
  try {
    return success({
      dek_version: sealed.dek_version,
      subkey: toBase64Url(subkey),
      operator_key: toBase64Url(expected.value),
      intent_row: intentRow,
    })
  } finally {
    zeroize(subkey)
  }
}

async function expectAnswer(
  { bindings, user, at }: EdgeVisit,
  { tenant_id, key_id, pickup_id }: Asked,
  intentRow: ReturnType<typeof newRowId>,
): Promise<Result<Uint8Array, EdgeRefusal>> {
  const pickupId = fromBase64Url(pickup_id)
  if (!pickupId.ok) return failure('request_invalid')
  const reveal = { userId: user.userId, keyId: key_id, pickupId: pickupId.value, intentRow, at }
  const asked = await askOperatorKeys<ExpectAnswer>(bindings, tenant_id, (keys) => keys.expect(reveal))
  if (!asked.ok) return asked
  return asked.value.ok ? success(asked.value.publicKey) : failure(asked.value.code)
}
