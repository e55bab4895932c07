import { fromBase64Url, toBase64Url, zeroize } from 'domain/bytes.ts'
import { STEP_UP_HEADER } from 'domain/contracts/edge-door.ts'
import type { CredentialStore } from 'domain/contracts/functions.ts'
import { requestDigest } from 'domain/contracts/request-digest.ts'
import { sealRecord } from 'domain/envelope/record.ts'
import { judgeTokenShape } from 'domain/providers/cloudflare/token.ts'
import { Secret } from 'domain/secret.ts'
import type { z } from 'zod'
import { Refused } from '../_shared/errors.ts'
import type { Call } from '../_shared/handler.ts'
import { type Idempotency, idempotencyOf } from '../_shared/idempotency.ts'
import { withOutcome } from '../_shared/outcome.ts'
import type { Store } from '../_shared/store.ts'
import { requireAal2, requireFresh } from '../_shared/user.ts'
import type { Vault } from '../_shared/vault-client.ts'
import { type Probe, probeCloudflare } from './probe.ts'

export type DepositParts = {
  readonly vault: Vault<'credential-seal' | 'settle'>
  readonly store: Store<'idempotent_response' | 'store_credential'>
  readonly cloudflareApiUrl: string
}
type Input = z.infer<typeof CredentialStore.request>
type Output = z.infer<typeof CredentialStore.response>

const ACTION = 'credential.store'
/** Cloudflare's zones have no time zone of their own; its days are UTC days. */
const ZONE_TIME = 'UTC'

/** Flow 1. Judged by shape before anything is asked or stored; the provider is asked before a key is released. */
export async function deposit(parts: DepositParts, call: Call<Input>): Promise<Output> {
  const { input, user, now } = call
  requireAal2(user)
  const shape = judgeTokenShape(input.secret)
  if (!shape.ok) throw new Refused(shape.code)
  const secret = Secret.fromText(input.secret)
  try {
    const idempotency = idempotencyOf(call.headers, 'credential-store', await requestDigest(ACTION, input))
    const earlier = await parts.store('idempotent_response', { user_id: user.id, ...idempotency })
    if (earlier !== null) return earlier.response
    requireFresh(user, now)
    const stepUpToken = call.headers.get(STEP_UP_HEADER)
    if (stepUpToken === null) throw new Refused('step_up_required')
    const probe = await secret.use((text) => probeCloudflare(text, shape.value, parts.cloudflareApiUrl))
    return await sealAndStore(parts, call, { secret, probe, stepUpToken, idempotency })
  } finally {
    secret.zeroize()
  }
}

type Checked = {
  readonly secret: Secret
  readonly probe: Probe
  readonly stepUpToken: string
  readonly idempotency: Idempotency
}

/** The vault releases one record's subkey and never sees the plaintext; from its intent row on, every end leaves an outcome row. */
async function sealAndStore({ vault, store }: DepositParts, call: Call<Input>, checked: Checked): Promise<Output> {
  const { tenant_id, credential_id, provider, label } = call.input
  const proofs = { userJwt: call.user.jwt, stepUpToken: checked.stepUpToken, requestId: call.requestId }
  const { request_digest } = checked.idempotency
  const asked = { tenant_id, credential_id, provider, action: ACTION, request_digest } as const
  const released = await vault('credential-seal', asked, proofs)
  const { subkey, intent_row, ...wrap } = released
  return withOutcome(vault, { tenant_id, intent_row }, proofs, 'stored', async () => {
    const ciphertext = await seal(checked.secret, subkey, call.input, wrap.dek_version)
    const { grade, scope, zones } = checked.probe
    return store('store_credential', {
      tenant_id,
      user_id: call.user.id,
      credential: {
        id: credential_id,
        provider,
        label,
        ...wrap,
        ciphertext,
        last4: checked.secret.last4,
        scope,
        grade,
      },
      sites: zones.map(({ id, name }) => ({ id: crypto.randomUUID(), provider_ref: id, name, time_zone: ZONE_TIME })),
      idempotency: checked.idempotency,
      at: new Date(call.now).toISOString(),
    })
  })
}

async function seal(secret: Secret, subkeyText: string, input: Input, dekVersion: number): Promise<string> {
  const subkey = fromBase64Url(subkeyText)
  if (!subkey.ok) throw new Refused('vault_unreachable')
  try {
    const context = { tenantId: input.tenant_id, credentialId: input.credential_id, dekVersion }
    const sealed = secret.use((_, plaintext) => sealRecord({ subkey: subkey.value, context, plaintext }))
    return toBase64Url(await sealed)
  } finally {
    zeroize(subkey.value)
  }
}
