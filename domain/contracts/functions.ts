import { z } from 'zod'
import { EdgeOperations, Provider } from './edge-door.ts'
import { CredentialId, SiteId, TenantId } from './ids.ts'

/** `POST /functions/v1/{name}` with the user's JWT; `idempotency-key: <uuid>` on what changes state. */
export const IDEMPOTENCY_HEADER = 'idempotency-key'

/** `tenant-create`: the caller (AAL2) becomes the owner. The id is picked by the client, so that a retry resumes. */
export const TenantCreate = {
  request: z.strictObject({ tenant_id: TenantId, name: z.string().trim().min(1).max(120) }),
  response: z.object({ tenant: z.object({ id: TenantId, name: z.string(), state: z.literal('active') }) }),
}

/** `step-up`: AAL2 fresh. The token is bound to user, session, tenant, action, target and request; single use; 5 minutes. */
export const StepUp = EdgeOperations['step-up-mint']

export const CredentialGrade = z.enum(['read_only', 'over_scoped', 'not_proven_read_only'])
export type CredentialGrade = z.infer<typeof CredentialGrade>

/** `credential-store`: AAL2 fresh and a step-up token for this new credential id. `secret` is the provider's token. */
export const CredentialStore = {
  request: z.strictObject({
    tenant_id: TenantId,
    credential_id: CredentialId,
    provider: Provider,
    label: z.string().trim().min(1).max(120),
    secret: z.string().min(1).max(512),
  }),
  response: z.object({
    credential: z.object({
      id: CredentialId,
      provider: Provider,
      label: z.string(),
      last4: z.string().length(4),
      scope: z.string(),
      grade: CredentialGrade,
    }),
    sites: z.array(z.object({ id: SiteId, name: z.string() })),
  }),
}

/** Codes that the functions add to those of the EdgeDoor, which pass through unchanged. */
export const FUNCTION_ERRORS = {
  method_not_allowed: 405,
  idempotency_key_required: 400,
  idempotency_key_reused: 409,
  tenant_id_taken: 409,
  credential_exists: 409,
  tenant_key_rotated: 409,
  credential_malformed: 422,
  credential_global_key: 422,
  credential_rejected: 422,
  credential_without_zones: 422,
  provider_unreachable: 502,
  provider_rate_limited: 503,
  console_busy: 429,
  console_unreachable: 503,
  vault_unreachable: 503,
  internal: 500,
} as const
export type FunctionErrorCode = keyof typeof FUNCTION_ERRORS
