import { z } from 'zod'
import { CredentialId, JobId } from './ids.ts'

/** scheduler -> queue `ingest` -> connector. Ids only: tenant and target are read from the leased job row. */
export const IngestMessage = z.strictObject({ job_id: JobId, credential_id: CredentialId })
export type IngestMessage = z.infer<typeof IngestMessage>
