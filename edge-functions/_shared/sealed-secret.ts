import { STEP_UP_HEADER } from 'domain/contracts/edge-door.ts'
import type { CredentialRotate } from 'domain/contracts/functions.ts'
import { requestDigest } from 'domain/contracts/request-digest.ts'
import type { Probe } from 'domain/providers/grade.ts'
import { Secret } from 'domain/secret.ts'
import type { WebhookProvider } from 'domain/webhooks/judge.ts'
import type { z } from 'zod'
import { Refused } from './errors.ts'
import type { Call } from './handler.ts'
import { type Idempotency, idempotencyOf } from './idempotency.ts'
import { withOutcome } from './outcome.ts'
import { sealSecret } from './seal.ts'
import type { Store } from './store.ts'
import { inSession, requireFresh } from './user.ts'
import type { Vault } from './vault-client.ts'

/** What every new secret comes with, be it what a provider is asked with or what it signs with. */
type Incoming = z.infer<typeof CredentialRotate.request>
type NewSecret = Omit<Incoming, 'provider'> & { readonly provider: Incoming['provider'] | WebhookProvider }
export type SealingParts = {
  readonly vault: Vault<'credential-seal' | 'settle'>
  readonly store: Store<'idempotent_response'>
}
export type Kind = {
  readonly functionName: string
  readonly action: 'credential.store' | 'credential.rotate'
  /** The word of the outcome row. */
  readonly done: string
}
/** What is stored of a secret beside itself, and the sites that it reaches. */
type Judgement = Record<string, unknown> & Pick<Probe, 'sites'>

/** The parts that are alike in the requests of the privileged functions that put a record. */
export type SealedRequest = Record<string, unknown> & { readonly credential: Record<string, unknown> }

/** Flow 1 for a secret whose shape is right: `judge` has its say before a key is released. */
export async function sealNewSecret(
  parts: SealingParts,
  call: Call<NewSecret>,
  kind: Kind,
  judge: (secret: Secret) => Promise<Judgement>,
  put: (request: SealedRequest) => Promise<unknown>,
): Promise<unknown> {
  const { input, user, now } = call
  const secret = Secret.fromText(input.secret)
  try {
    const idempotency = idempotencyOf(call.headers, kind.functionName, await requestDigest(kind.action, input))
    const earlier = await parts.store('idempotent_response', { ...inSession(user, now), ...idempotency })
    if (earlier !== null) return earlier.response
    requireFresh(user, now)
    const stepUpToken = call.headers.get(STEP_UP_HEADER)
    if (stepUpToken === null) throw new Refused('step_up_required')
    const judgement = await judge(secret)
    return await sealAndPut(parts, call, kind, { secret, judgement, stepUpToken, idempotency }, put)
  } finally {
    secret.zeroize()
  }
}

type Checked = {
  readonly secret: Secret
  readonly judgement: Judgement
  readonly stepUpToken: string
  readonly idempotency: Idempotency
}

/** The vault releases one record's subkey and never sees the plaintext; from its intent row on, every end leaves an outcome row. */
async function sealAndPut(
  { vault }: SealingParts,
  { input, user, requestId, now }: Call<NewSecret>,
  { action, done }: Kind,
  { secret, judgement, stepUpToken, idempotency }: Checked,
  put: (request: SealedRequest) => Promise<unknown>,
): Promise<unknown> {
  const { tenant_id, credential_id, provider } = input
  const proofs = { userJwt: user.jwt, stepUpToken, requestId }
  const asked = { tenant_id, credential_id, provider, action, request_digest: idempotency.request_digest }
  const { subkey, intent_row, ...wrap } = await vault('credential-seal', asked, proofs)
  return withOutcome(vault, { tenant_id, intent_row }, proofs, done, async () => {
    const ciphertext = await sealSecret(secret, subkey, { tenant_id, credential_id, dek_version: wrap.dek_version })
    const { sites, ...told } = judgement
    return put({
      tenant_id,
      user_id: user.id,
      credential: { id: credential_id, provider, ...wrap, ciphertext, last4: secret.last4, ...told },
      sites: sites.map(({ id, name, timeZone }) => ({
        id: crypto.randomUUID(),
        provider_ref: id,
        name,
        time_zone: timeZone,
      })),
      idempotency,
      at: new Date(now).toISOString(),
    })
  })
}
