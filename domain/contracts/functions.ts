import { z } from 'zod'
import { MAX_PURGED_FILES } from '../providers/cloudflare/schemas.ts'
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

/** `credential-rotate`: AAL2 fresh and a step-up token for this credential. The new secret takes the old one's place. */
export const CredentialRotate = {
  request: CredentialStore.request.omit({ label: true }),
  response: CredentialStore.response,
}

/** `credential-delete`: AAL2 fresh and a step-up token. What opens is destroyed; the line and the figures stay. */
export const CredentialDelete = {
  request: z.strictObject({ tenant_id: TenantId, credential_id: CredentialId }),
  response: z.object({ credential: z.object({ id: CredentialId, deleted_at: z.iso.datetime({ offset: true }) }) }),
}

const MAX_URL = 1024
/** Exactly what the provider is sent, so that a confirmation can show it and a step-up token stands for it. */
export const Purge = z.union([
  z.strictObject({ purge_everything: z.literal(true) }),
  z.strictObject({
    files: z
      .array(z.url({ protocol: /^https?$/ }).max(MAX_URL))
      .min(1)
      .max(MAX_PURGED_FILES),
  }),
])
export type Purge = z.infer<typeof Purge>

/** `provider-action`: AAL2 fresh and a step-up token for this credential: purges the cache of one of its sites. */
export const ProviderAction = {
  request: z.strictObject({ tenant_id: TenantId, credential_id: CredentialId, site_id: SiteId, purge: Purge }),
  response: z.object({ site: z.object({ id: SiteId, name: z.string() }), provider_id: z.string() }),
}

/** Codes that the functions add to those of the EdgeDoor, which pass through unchanged. */
export const FUNCTION_ERRORS = {
  method_not_allowed: 405,
  idempotency_key_required: 400,
  idempotency_key_reused: 409,
  tenant_id_taken: 409,
  credential_exists: 409,
  tenant_key_rotated: 409,
  credential_moved: 409,
  provider_refused: 422,
  provider_permission_missing: 422,
  provider_outcome_unknown: 502,
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
