import { fromBase64Url, toBase64Url } from '../../domain/bytes.ts'
import { operatorKeyId, parseOperatorPublicKey } from '../../domain/operator-key/public-key.ts'
import { CredentialId, EdgeOperations, OperatorKeyId, TenantId, type z } from '../data/schemas.ts'

/** What `flarewatch operator enrol` and `flarewatch credential reveal` put behind the `#`, which no server gets to see. */
export type Enrolment = {
  readonly keyId: OperatorKeyId
  readonly request: z.output<(typeof EdgeOperations)['operator-key-enrol']['request']>
}
export type RevealLink = z.output<(typeof EdgeOperations)['credential-reveal']['request']>

/** Null for a fragment that no command made. The key's id is computed here, so that what is shown is what is enrolled. */
export function enrolmentOf(fragment: string): Enrolment | null {
  const fields = fieldsOf(fragment)
  const publicKey = parseOperatorPublicKey(fields.get('key') ?? '')
  if (!publicKey.ok) return null
  const [voucher, signature] = [fields.get('voucher'), fields.get('signature')]
  const request = EdgeOperations['operator-key-enrol'].request.safeParse({
    tenant_id: fields.get('tenant'),
    public_key: toBase64Url(publicKey.value),
    vouch: voucher === null ? null : { key_id: voucher, signature },
  })
  if (!request.success) return null
  return { keyId: OperatorKeyId.parse(operatorKeyId(publicKey.value)), request: request.data }
}

export function revealOf(fragment: string): RevealLink | null {
  const fields = fieldsOf(fragment)
  const pickup = fields.get('pickup') ?? ''
  if (!fromBase64Url(pickup).ok) return null
  const [tenant, credential] = [fields.get('tenant'), fields.get('credential')]
  if (!TenantId.safeParse(tenant).success || !CredentialId.safeParse(credential).success) return null
  const request = { tenant_id: tenant, credential_id: credential, key_id: fields.get('key'), pickup_id: pickup }
  return EdgeOperations['credential-reveal'].request.safeParse(request).data ?? null
}

function fieldsOf(fragment: string): URLSearchParams {
  return new URLSearchParams(fragment.replace(/^#/, ''))
}
