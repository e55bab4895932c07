import { z } from 'zod'
import { CredentialId, JobId, TenantId } from './ids.ts'

/** scheduler -> queue `ingest` -> connector. Ids only: tenant and target are read from the leased job row. */
export const IngestMessage = z.strictObject({ job_id: JobId, credential_id: CredentialId })
export type IngestMessage = z.infer<typeof IngestMessage>

/** verifier -> queue `verify` -> verifier: a chain to go on with. What has been walked of it is in the verifier's own state. */
export const VerifyMessage = z.strictObject({
  /** `night`: end to end; `moved`: from the newest receipt on. */
  kind: z.enum(['night', 'moved']),
  log: TenantId,
  /** When the run was due, in Unix milliseconds: two messages of one run are the same work. */
  due_at: z.int().nonnegative(),
})
export type VerifyMessage = z.infer<typeof VerifyMessage>
