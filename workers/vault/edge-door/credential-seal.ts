import { toBase64Url, zeroize } from '../../../domain/bytes.ts'
import { targetOf } from '../../../domain/contracts/step-up.ts'
import { failure, success } from '../../../domain/result.ts'
import { readSealedDek } from '../jobs.ts'
import { release } from '../release.ts'
import { sealingKeys } from '../sealing-keys.ts'
import { readTenantDek } from '../tenant-dek.ts'
import { edgeRefusal, type Operation, requireRoleFor, requireWrappingKek } from './operation.ts'
import { spendStepUp } from './step-up.ts'

/** Store and rotate (flow 1): a subkey that seals one version of one record, and the DEK wrapped again for that record alone. */
export const credentialSeal: Operation<'credential-seal'> = async (visit, request) => {
  const { tenant_id, credential_id, action } = request
  const member = await requireRoleFor(visit, tenant_id, action)
  if (!member.ok) return member
  const dek = await readTenantDek(visit, tenant_id)
  if (!dek.ok) return dek
  const { value: tenantDek } = dek
  if (tenantDek === null) return failure('tenant_not_active')
  const replaced = action === 'credential.rotate' ? await readSealedDek(visit, request) : success(null)
  if (!replaced.ok) return replaced
  // A signing secret is rolled by storing the next beside it: both are valid until the old one is deleted.
  const isReplaceable = replaced.value !== null && !replaced.value.signs_webhooks
  if (action === 'credential.rotate' && !isReplaceable) return failure('credential_unknown')
  const kek = await requireWrappingKek(visit)
  if (!kek.ok) return kek
  const bound = { tenant_id, action, target_id: credential_id, request_digest: request.request_digest }
  const stepUp = await spendStepUp(visit, bound)
  if (!stepUp.ok) return stepUp

  const act = {
    door: 'edge',
    tenantId: tenant_id,
    actor: `user:${visit.user.userId}`,
    action,
    target: targetOf(action, credential_id),
    detail: { provider: request.provider },
  } as const
  const record = { tenantId: tenant_id, credentialId: credential_id }
  const released = await release(visit, act, (unlocked) => sealingKeys(unlocked, tenantDek, record))
  if (!released.ok) return failure(edgeRefusal(released.code))
  const { opened, intentRow } = released.value
  try {
    return success({
      kek_version: opened.kekVersion,
      wrapped_dek: toBase64Url(opened.wrappedDek),
      dek_version: opened.dekVersion,
      salt: toBase64Url(opened.salt),
      subkey: toBase64Url(opened.subkey),
      intent_row: intentRow,
      replaces: replaced.value === null ? null : toBase64Url(replaced.value.salt),
    })
  } finally {
    zeroize(opened.subkey)
  }
}
