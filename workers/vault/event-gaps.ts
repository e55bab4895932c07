import { z } from 'zod'
import { zeroize } from '../../domain/bytes.ts'
import {
  type DoorRefusal,
  MAX_GAPS,
  type SealedEvent,
  type SealedEvents,
} from '../../domain/contracts/connector-door.ts'
import type { JobId, TenantId } from '../../domain/contracts/ids.ts'
import { type Result, success } from '../../domain/result.ts'
import type { Delivery } from '../../domain/webhooks/delivery.ts'
import { MAX_WEBHOOK_BYTES } from '../../domain/webhooks/judge.ts'
import { appendOutcome } from './audit-append.ts'
import { leasedJob, refusal } from './connector-door.ts'
import { eventSealing, sealDelivery } from './event-sealing.ts'
import { type OpenFault, release, type Unlocked } from './release.ts'
import { rpcRefusal } from './rpc-refusal.ts'
import { readTenantDek, type TenantDek } from './tenant-dek.ts'
import type { Visit } from './visit.ts'

const Deliveries = z
  .array(
    z.strictObject({
      messageId: z.string().max(255),
      body: z.instanceof(Uint8Array).refine(({ length }) => length <= MAX_WEBHOOK_BYTES),
    }),
  )
  .min(1)
  .max(MAX_GAPS)

/**
 * Events that a provider lists and that never came, sealed for the inbox of the leased job's tenant: one release for all of them. As at
 * the gateway's door no key leaves, and nothing of a body is read.
 */
export async function sealEvents(
  visit: Visit,
  jobId: JobId,
  listed: readonly Delivery[],
): Promise<SealedEvents | DoorRefusal> {
  const deliveries = Deliveries.parse(listed)
  const leased = await leasedJob(visit, jobId, ['poll'])
  if (!leased.ok) return leased
  const { tenant_id: tenantId, credential_id: credentialId } = leased.job
  const dek = await readTenantDek(visit, tenantId)
  if (!dek.ok || dek.value === null) return refusal(jobId, 'store_unreachable')
  const { value: tenantDek } = dek
  const act = {
    door: 'connector',
    tenantId,
    actor: 'connector',
    action: 'webhook.reconcile',
    target: `credential:${credentialId}`,
    detail: { job: jobId, events: String(deliveries.length) },
  } as const
  const released = await release(visit, act, (unlocked) => sealAll(unlocked, tenantDek, tenantId, deliveries))
  if (!released.ok) return refusal(jobId, rpcRefusal(released.code), released.code)
  const { opened: events, intentRow } = released.value
  await appendOutcome(visit, { ...act, rowId: intentRow }, { succeeded: true, code: 'sealed' })
  return { ok: true, events }
}

async function sealAll(
  unlocked: Unlocked,
  tenantDek: TenantDek,
  tenantId: TenantId,
  deliveries: readonly Delivery[],
): Promise<Result<SealedEvent[], OpenFault>> {
  const sealed: SealedEvent[] = []
  for (const delivery of deliveries) {
    const sealing = await eventSealing(unlocked, tenantDek, tenantId)
    if (!sealing.ok) return sealing
    try {
      sealed.push(await sealDelivery(sealing.value, delivery))
    } finally {
      zeroize(sealing.value.subkey)
    }
  }
  return success(sealed)
}
