import { z } from 'zod'
import { CredentialId, JobId, TenantId, WebhookEventId } from './ids.ts'

/** scheduler -> queue `ingest` -> connector. Ids only: tenant and target are read from the leased job row. */
export const IngestMessage = z.strictObject({ job_id: JobId, credential_id: CredentialId })
export type IngestMessage = z.infer<typeof IngestMessage>

/** gateway or scheduler -> the same queue: an event that waits in the inbox, since its body can be larger than a message may. */
export const EventMessage = z.strictObject({ event_id: WebhookEventId })
export type EventMessage = z.infer<typeof EventMessage>

/** vault -> queue `rewrap` -> vault. What is to be done is read from the rows: a message says where to look, and may be lost. */
export const RewrapMessage = z.discriminatedUnion('kind', [
  /** Tenants after this one that have wraps to move. */
  z.strictObject({ kind: z.literal('tenants'), after: TenantId.nullable() }),
  /** One batch of a tenant's wraps: credentials after this one. */
  z.strictObject({ kind: z.literal('tenant'), tenant_id: TenantId, after: CredentialId.nullable() }),
])
export type RewrapMessage = z.infer<typeof RewrapMessage>

/** verifier -> queue `verify` -> verifier: a chain to go on with. What has been walked of it is in the verifier's own state. */
export const VerifyMessage = z.strictObject({
  /** `night`: end to end; `moved`: from the newest receipt on. */
  kind: z.enum(['night', 'moved']),
  log: TenantId,
  /** When the run was due, in Unix milliseconds: two messages of one run are the same work. */
  due_at: z.int().nonnegative(),
})
export type VerifyMessage = z.infer<typeof VerifyMessage>
