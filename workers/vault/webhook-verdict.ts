import { z } from 'zod'
import { zeroize } from '../../domain/bytes.ts'
import type { SealedWebhook, WebhookDelivery, WebhookRefusal } from '../../domain/contracts/gateway-door.ts'
import { CredentialId, TenantId, WebhookEndpointId } from '../../domain/contracts/ids.ts'
import { openRecordOrFault } from '../../domain/envelope/record.ts'
import { failure, type Result, success } from '../../domain/result.ts'
import { Secret } from '../../domain/secret.ts'
import type { ClaimRefusal, WebhookClaim } from '../../domain/webhooks/claim.ts'
import { claimOf, isSigned, keyOf, MAX_WEBHOOK_BYTES, WebhookProvider } from '../../domain/webhooks/judge.ts'
import { log } from '../runtime/log.ts'
import { appendOutcome } from './audit-append.ts'
import { PART, reach } from './call.ts'
import { type EventSealing, eventSealing, sealDelivery } from './event-sealing.ts'
import { openingSubkey } from './opening-subkey.ts'
import { type OpenFault, release, type Unlocked } from './release.ts'
import { rpcRefusal } from './rpc-refusal.ts'
import { readTenantDek, type TenantDek } from './tenant-dek.ts'
import type { Visit } from './visit.ts'

const MAX_HEADER_CHARACTERS = 4096
const Delivery = z.strictObject({
  provider: WebhookProvider,
  endpointId: WebhookEndpointId,
  headers: z.record(z.string().max(32), z.string().max(MAX_HEADER_CHARACTERS)),
  body: z.instanceof(Uint8Array).refine(({ length }) => length <= MAX_WEBHOOK_BYTES),
})

const Admission = z.discriminatedUnion('admitted', [
  z.object({ admitted: z.literal(false) }),
  z.object({
    admitted: z.literal(true),
    tenant_id: TenantId,
    credential_id: CredentialId,
    kek_version: z.int(),
    wrapped_dek: z.instanceof(Uint8Array),
    dek_version: z.int(),
    dek_known: z.boolean(),
    salt: z.instanceof(Uint8Array),
    ciphertext: z.instanceof(Uint8Array),
  }),
])
type SealedSecret = Extract<z.infer<typeof Admission>, { admitted: true }>

/** What one release gives: the secrets in the clear, and what seals the body if one of them signed it. */
type Keys = { readonly secrets: readonly Secret[]; readonly sealing: EventSealing }

/**
 * Flow 5. What needs no key is judged without a row; then one intent row, one release for every secret that is valid, and one
 * outcome row. Secrets and keys are of this invocation alone (V5), and whatever is wrong with a delivery is one code.
 */
export async function judgeWebhook(visit: Visit, delivery: WebhookDelivery): Promise<SealedWebhook | WebhookRefusal> {
  const { provider, endpointId, headers, body } = Delivery.parse(delivery)
  const claim = claimOf(provider, (name) => headers[name] ?? null, visit.at)
  if (!claim.ok) return refused(claim.code)
  const admitted = await admit(visit, { provider, endpointId })
  if (!admitted.ok) return refused(admitted.code)
  const [secret] = admitted.value
  if (secret === undefined) return refused('endpoint_unknown')
  const { tenant_id: tenantId } = secret
  const dek = await readTenantDek(visit, tenantId)
  if (!dek.ok || dek.value === null) return refused('store_unreachable')

  const { value: tenantDek } = dek
  const act = {
    door: 'gateway',
    tenantId,
    actor: 'gateway',
    action: 'webhook.judge',
    target: `webhook_endpoint:${endpointId}`,
    detail: { provider, bytes: String(body.length) },
  } as const
  const released = await release(visit, act, (unlocked) => openAll(unlocked, admitted.value, tenantDek))
  if (!released.ok) return refused(rpcRefusal(released.code))
  const { opened, intentRow } = released.value
  const sealed = await verdict(opened, { provider, claim: claim.value, body })
  const outcome = { succeeded: sealed !== null, code: sealed === null ? 'signature_invalid' : 'accepted' }
  await appendOutcome(visit, { ...act, rowId: intentRow }, outcome)
  return sealed ?? refused('signature_invalid')
}

/** The endpoint's own rate, and its secrets: empty for one that takes nothing. */
async function admit(
  { sql, at }: Visit,
  { provider, endpointId }: Pick<WebhookDelivery, 'provider' | 'endpointId'>,
): Promise<Result<SealedSecret[], 'store_unreachable' | 'webhook_limited'>> {
  const read = () => sql`
    select admitted, tenant_id, credential_id, kek_version, wrapped_dek, dek_version, dek_known, salt, ciphertext
    from flarewatch.admit_webhook(${endpointId}, ${provider}, ${new Date(at)})`
  const rows = await reach('store_unreachable', read)
  if (!rows.ok) return rows
  const parsed = z.array(Admission).parse(rows.value.slice())
  const secrets = parsed.flatMap((row) => (row.admitted ? [row] : []))
  return secrets.length < parsed.length ? failure('webhook_limited') : success(secrets)
}

async function openAll(
  unlocked: Unlocked,
  records: readonly SealedSecret[],
  tenantDek: TenantDek,
): Promise<Result<Keys, OpenFault>> {
  const secrets: Secret[] = []
  const [{ tenant_id: tenantId } = { tenant_id: null }] = records
  if (tenantId === null) return failure('dek_version_unknown')
  for (const record of records) {
    const secret = await openSecret(unlocked, record)
    if (secret.ok) secrets.push(secret.value)
    else {
      forget(secrets)
      return secret
    }
  }
  const sealing = await eventSealing(unlocked, tenantDek, tenantId)
  if (sealing.ok) return success({ secrets, sealing: sealing.value })
  forget(secrets)
  return sealing
}

async function openSecret(unlocked: Unlocked, record: SealedSecret): Promise<Result<Secret, OpenFault>> {
  const { tenant_id: tenantId, credential_id: credentialId, dek_version: dekVersion } = record
  const subkey = await openingSubkey(unlocked, record, record)
  if (!subkey.ok) return subkey
  try {
    const context = { tenantId, credentialId, dekVersion }
    const plaintext = await openRecordOrFault({ subkey: subkey.value, context, sealed: record.ciphertext })
    return plaintext.ok ? success(Secret.fromBytes(plaintext.value)) : plaintext
  } finally {
    zeroize(subkey.value)
  }
}

type Judged = { readonly provider: WebhookProvider; readonly claim: WebhookClaim; readonly body: Uint8Array }

async function verdict({ secrets, sealing }: Keys, { provider, claim, body }: Judged): Promise<SealedWebhook | null> {
  const keys = secrets.flatMap((secret) => secret.use((text) => keyOf(provider, text)))
  try {
    if (!(await isSigned(claim, keys, body))) return null
    return { ok: true, ...(await sealDelivery(sealing, { messageId: claim.messageId ?? '', body })) }
  } finally {
    forget(secrets)
    for (const key of [sealing.subkey, ...keys]) zeroize(key)
  }
}

function forget(secrets: readonly Secret[]): void {
  for (const secret of secrets) secret.zeroize()
}

type Cause = WebhookRefusal['code'] | ClaimRefusal | 'endpoint_unknown' | 'signature_invalid'

/** The log has the cause, and never an address: whoever knows one can have it judged. */
function refused(cause: Cause): WebhookRefusal {
  log(PART, 'warn', 'webhook_refused', { code: cause })
  switch (cause) {
    case 'webhook_malformed':
    case 'webhook_stale':
    case 'endpoint_unknown':
    case 'signature_invalid':
      return { ok: false, code: 'webhook_refused' }
    default:
      return { ok: false, code: cause }
  }
}
