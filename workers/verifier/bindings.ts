import { z } from 'zod'
import type { AuditLedgerApi, TenantRosterApi } from '../../domain/contracts/durable-objects.ts'
import type { VerifyMessage } from '../../domain/contracts/queues.ts'
import { bucket, durableObjects, embeddedOnly, hyperdrive, queue } from '../runtime/bindings.ts'

export const Bindings = z.object({
  DB: hyperdrive,
  AUDIT_LEDGER: durableObjects<AuditLedgerApi>(),
  TENANT_ROSTER: durableObjects<TenantRosterApi>(),
  RECEIPTS: bucket,
  VERIFY: queue<VerifyMessage>(),
  /** The C2SP signer text: the private half of the vkey that the gateway publishes. */
  RECEIPT_SIGNING_KEY: z.string().startsWith('PRIVATE+KEY+'),
  LOG_NAME: z
    .string()
    .min(1)
    .max(200)
    .regex(/^[^\s+]+$/),
  ...embeddedOnly,
})
export type Bindings = z.output<typeof Bindings>
