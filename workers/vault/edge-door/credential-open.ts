import { toBase64Url, zeroize } from '../../../domain/bytes.ts'
import { targetOf } from '../../../domain/contracts/step-up.ts'
import { failure, success } from '../../../domain/result.ts'
import { readSealedDek } from '../jobs.ts'
import { openingSubkey } from '../opening-subkey.ts'
import { release } from '../release.ts'
import { edgeRefusal, type Operation, requireRoleFor } from './operation.ts'
import { spendStepUp } from './step-up.ts'

/** Flow 2 for a person's own write at the provider: one step-up, one row, the key of one record. */
export const credentialOpen: Operation<'credential-open'> = async (visit, request) => {
  const { tenant_id, credential_id, action, request_digest } = request
  const member = await requireRoleFor(visit, tenant_id, action)
  if (!member.ok) return member
  const sealed = await readSealedDek(visit, request)
  if (!sealed.ok) return sealed
  const { value: record } = sealed
  if (record === null) return failure('credential_unknown')
  const stepUp = await spendStepUp(visit, { tenant_id, action, target_id: credential_id, request_digest })
  if (!stepUp.ok) return stepUp
  const act = {
    door: 'edge',
    tenantId: tenant_id,
    actor: `user:${visit.user.userId}`,
    action,
    target: targetOf(action, credential_id),
    detail: {},
  } as const
  const released = await release(visit, act, (unlocked) => openingSubkey(unlocked, request, record))
  if (!released.ok) return failure(edgeRefusal(released.code))
  const { opened: subkey, intentRow } = released.value
  try {
    return success({ dek_version: record.dek_version, subkey: toBase64Url(subkey), intent_row: intentRow })
  } finally {
    zeroize(subkey)
  }
}
