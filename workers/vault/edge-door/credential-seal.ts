import { randomBytes, toBase64Url, zeroize } from '../../../domain/bytes.ts'
import { deriveSubkey, SALT_BYTES } from '../../../domain/envelope/record.ts'
import { failure, type Result, success } from '../../../domain/result.ts'
import { claimFreshness } from '../freshness.ts'
import { askStepUpTokens } from '../ledger.ts'
import { type OpenRefusal, release, type Unlocked } from '../release.ts'
import { readTenantDek, type TenantDek } from '../tenant-dek.ts'
import {
  type EdgeVisit,
  edgeRefusal,
  type Operation,
  type RequestOf,
  type ResponseOf,
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
  const released = await release(visit, act, (unlocked) => sealingKeys(unlocked, tenantDek, request))
  if (!released.ok) return failure(edgeRefusal(released.code))
  return success({ ...released.value.opened, intent_row: released.value.intentRow })
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

type SealingKeys = Omit<ResponseOf<'credential-seal'>, 'intent_row'>

async function sealingKeys(
  { unwrap, wrap }: Unlocked,
  tenantDek: TenantDek,
  { tenant_id: tenantId, credential_id: credentialId }: RequestOf<'credential-seal'>,
): Promise<Result<SealingKeys, OpenRefusal>> {
  const keyVersion = tenantDek.version
  const dek = await unwrap({ purpose: 'tenant-dek', tenantId, keyVersion }, tenantDek)
  if (!dek.ok) return dek
  const salt = randomBytes(SALT_BYTES)
  try {
    const rewrapped = await wrap({ purpose: 'credential-dek', tenantId, credentialId, keyVersion }, dek.value)
    if (!rewrapped.ok) return rewrapped
    const { kekVersion, wrapped } = rewrapped.value
    const context = { tenantId, credentialId, dekVersion: keyVersion }
    const subkey = await deriveSubkey({ dek: dek.value, salt, context })
    const keys = {
      kek_version: kekVersion,
      wrapped_dek: toBase64Url(wrapped),
      dek_version: keyVersion,
      salt: toBase64Url(salt),
      subkey: toBase64Url(subkey),
    }
    zeroize(subkey)
    return success(keys)
  } finally {
    zeroize(dek.value)
  }
}
