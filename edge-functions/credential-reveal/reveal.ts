import { fromBase64Url, toBase64Url, zeroize } from 'domain/bytes.ts'
import { type EdgeOperations, STEP_UP_HEADER } from 'domain/contracts/edge-door.ts'
import type { CredentialReveal, SealedRecord } from 'domain/contracts/functions.ts'
import { openRecord } from 'domain/envelope/record.ts'
import { sealReveal } from 'domain/operator-key/reveal.ts'
import type { z } from 'zod'
import { Refused } from '../_shared/errors.ts'
import type { Call } from '../_shared/handler.ts'
import { withOutcome } from '../_shared/outcome.ts'
import type { Store } from '../_shared/store.ts'
import { requireFresh } from '../_shared/user.ts'
import type { Vault } from '../_shared/vault-client.ts'

export type RevealParts = {
  readonly vault: Vault<'credential-reveal' | 'reveal-deliver' | 'settle'>
  readonly store: Store<'sealed_record'>
}
type Input = Extract<z.infer<typeof CredentialReveal.request>, { act: 'reveal' }>
type Released = z.infer<(typeof EdgeOperations)['credential-reveal']['response']>

/**
 * V7: the plaintext is in this call's memory alone, between the record that it is opened from and the operator key that it is
 * sealed to. Who asked gets to know that it waits; what waits goes by way of the vault to whoever has the pickup's secret.
 */
export async function reveal(
  { vault, store }: RevealParts,
  { input, user, headers, now, requestId }: Call<Input>,
): Promise<z.infer<typeof CredentialReveal.revealed>> {
  requireFresh(user, now)
  const stepUpToken = headers.get(STEP_UP_HEADER)
  if (stepUpToken === null) throw new Refused('step_up_required')
  const { act: _, ...request } = input
  const { tenant_id, credential_id } = request
  const record = await store('sealed_record', { tenant_id, credential_id, user_id: user.id })
  const proofs = { userJwt: user.jwt, requestId }
  const released = await vault('credential-reveal', request, { ...proofs, stepUpToken })
  const { intent_row, dek_version } = released
  return withOutcome(vault, { tenant_id, intent_row }, proofs, 'revealed', async () => {
    const sealed = toBase64Url(await resealed(input, record, released))
    await vault('reveal-deliver', { tenant_id, intent_row, dek_version, sealed }, proofs)
    return { waiting: true }
  })
}

/** From the record's key to the operator's. Every buffer that held plaintext or what opens it is zeroed. */
async function resealed(
  { tenant_id: tenantId, credential_id: credentialId, pickup_id }: Input,
  record: z.infer<typeof SealedRecord>,
  { subkey: subkeyText, operator_key, dek_version: dekVersion }: Released,
): Promise<Uint8Array> {
  const [subkey, publicKey, pickupId, sealed] = [
    decoded(subkeyText),
    decoded(operator_key),
    decoded(pickup_id),
    decoded(record.ciphertext),
  ]
  const opened = await openRecord({ subkey, context: { tenantId, credentialId, dekVersion }, sealed })
  zeroize(subkey)
  // Also where the record was re-sealed between the two reads: asked again, both are of the newer version.
  if (!opened.ok) throw new Refused('not_openable')
  try {
    const context = { tenantId, credentialId, dekVersion, pickupId }
    return await sealReveal({ publicKey, context, plaintext: opened.value })
  } finally {
    zeroize(opened.value)
  }
}

function decoded(text: string): Uint8Array {
  const bytes = fromBase64Url(text)
  if (!bytes.ok) throw new Refused('vault_unreachable')
  return bytes.value
}
