import { toBase64Url, zeroize } from '../../../domain/bytes.ts'
import { failure, type Result, success } from '../../../domain/result.ts'
import { claimFreshness } from '../freshness.ts'
import { askStepUpTokens } from '../ledger.ts'
import { release } from '../release.ts'
import { sealingKeys } from '../sealing-keys.ts'
import { readTenantDek } from '../tenant-dek.ts'
import {
  type EdgeVisit,
  edgeRefusal,
  type Operation,
  type RequestOf,
  requireManager,
  requireWrappingKek,
} from './operation.ts'

const ACTION = 'credential.store'

/** Store (flow 1): a subkey that seals one version of one record, and the DEK wrapped again for that record alone. */
export const credentialSeal: Operation<'credential-seal'> = async (visit, request) => {
  const manager = await requireManager(visit, request.tenant_id)
  if (!manager.ok) return manager
  const dek = await readTenantDek(visit, request.tenant_id)
  if (!dek.ok) return dek
  const { value: tenantDek } = dek
  if (tenantDek === null) return failure('tenant_not_active')
  const kek = await requireWrappingKek(visit)
  if (!kek.ok) return kek
  const fresh = await claimFreshness(visit, visit.user)
  if (!fresh.ok) return fresh
  const stepUp = await consumeStepUp(visit, request)
  if (!stepUp.ok) return stepUp

  const act = {
    door: 'edge',
    tenantId: request.tenant_id,
    actor: `user:${visit.user.userId}`,
    action: ACTION,
    target: `credential:${request.credential_id}`,
    detail: { provider: request.provider },
  } as const
  const record = { tenantId: request.tenant_id, credentialId: request.credential_id }
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
    })
  } finally {
    zeroize(opened.subkey)
  }
}

async function consumeStepUp(
  { bindings, user, stepUpToken, at }: EdgeVisit,
  request: RequestOf<'credential-seal'>,
): Promise<Result<null, 'step_up_required' | 'step_up_invalid' | 'ledger_unreachable'>> {
  if (stepUpToken === null) return failure('step_up_required')
  const use = {
    token: stepUpToken,
    sessionId: user.sessionId,
    tenantId: request.tenant_id,
    credentialId: request.credential_id,
    action: ACTION,
    at,
  }
  const consumed = await askStepUpTokens(bindings, user.userId, (tokens) => tokens.consume(use))
  if (!consumed.ok) return consumed
  return consumed.value.ok ? success(null) : failure(consumed.value.code)
}
