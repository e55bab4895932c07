import { z } from 'zod'
import { zeroize } from '../../domain/bytes.ts'
import type { ActOutcome, DoorRefusal, DoorRefusalCode, OpenedEvent } from '../../domain/contracts/connector-door.ts'
import { AuditRowId, TenantId, type WebhookEventId } from '../../domain/contracts/ids.ts'
import { deriveSubkey, SALT_BYTES } from '../../domain/envelope/record.ts'
import { type Result, success } from '../../domain/result.ts'
import { log } from '../runtime/log.ts'
import { appendOutcome } from './audit-append.ts'
import { PART, reach } from './call.ts'
import { type OpenFault, release, type Unlocked } from './release.ts'
import { rpcRefusal } from './rpc-refusal.ts'
import type { Visit } from './visit.ts'

const ACTOR = 'connector'
const WaitingEvent = z.object({
  tenant_id: TenantId,
  applied_at: z.date().nullable(),
  intent_row: AuditRowId.nullable(),
  sealed: z
    .object({
      dek_version: z.int(),
      salt: z.instanceof(Uint8Array).refine(({ length }) => length === SALT_BYTES),
      kek_version: z.int(),
      wrapped_dek: z.instanceof(Uint8Array),
    })
    .nullable(),
})
type WaitingEvent = z.infer<typeof WaitingEvent>
type SealedEvent = NonNullable<WaitingEvent['sealed']>

/** What opens one delivery that waits in the inbox. The tenant is its row's; the caller names none. */
export async function openEvent(visit: Visit, eventId: WebhookEventId): Promise<OpenedEvent | DoorRefusal> {
  const read = await readEvent(visit, eventId)
  if (!read.ok) return refusal(read.code)
  const { value: event } = read
  if (event === null || event.applied_at !== null || event.sealed === null) return refusal('event_not_waiting')
  const { tenant_id: tenantId, sealed } = event
  const act = {
    door: 'connector',
    tenantId,
    actor: ACTOR,
    action: 'webhook.open',
    target: targetOf(eventId),
    detail: {},
  } as const
  const released = await release(visit, act, (unlocked) => eventSubkey(unlocked, { tenantId, eventId, sealed }))
  if (!released.ok) return refusal(rpcRefusal(released.code))
  const { opened: subkey, intentRow } = released.value
  const kept = await keepIntent(visit, eventId, intentRow)
  if (!kept.ok) {
    zeroize(subkey)
    await appendOutcome(visit, { ...act, rowId: intentRow }, { succeeded: false, code: kept.code })
    return refusal(kept.code)
  }
  return { ok: true, tenantId, dekVersion: sealed.dek_version, subkey }
}

/** The outcome row. Whether the event still waits is no question here: an act that was announced ended somehow. */
export async function settleEvent(
  visit: Visit,
  eventId: WebhookEventId,
  outcome: ActOutcome,
): Promise<{ readonly ok: true } | DoorRefusal> {
  const read = await readEvent(visit, eventId)
  if (!read.ok) return refusal(read.code)
  const { value: event } = read
  if (event === null || event.intent_row === null) return refusal('event_not_waiting')
  const intent = {
    tenantId: event.tenant_id,
    actor: ACTOR,
    target: targetOf(eventId),
    rowId: event.intent_row,
  } as const
  const told = await appendOutcome(visit, intent, outcome)
  return told.ok ? { ok: true } : refusal(rpcRefusal(told.code))
}

function readEvent({ sql }: Visit, eventId: WebhookEventId): Promise<Result<WaitingEvent | null, 'store_unreachable'>> {
  const read = async () => {
    const [row] = await sql`
      select e.tenant_id, e.applied_at, e.intent_row, e.dek_version, e.salt, k.kek_version, k.wrapped_dek
      from flarewatch.webhook_events e
        left join flarewatch.tenant_keys k on k.tenant_id = e.tenant_id and k.version = e.dek_version
      where e.id = ${eventId}`
    if (row === undefined) return null
    const { dek_version, salt, kek_version, wrapped_dek, ...event } = row
    const sealed = dek_version === null ? null : { dek_version, salt, kek_version, wrapped_dek }
    return WaitingEvent.parse({ ...event, sealed })
  }
  return reach('store_unreachable', read)
}

function keepIntent(
  { sql }: Visit,
  eventId: WebhookEventId,
  intentRow: AuditRowId,
): Promise<Result<unknown, 'store_unreachable'>> {
  const keep = async () => {
    const { count } = await sql`update flarewatch.webhook_events set intent_row = ${intentRow} where id = ${eventId}`
    if (count !== 1) throw new Error('the event is gone')
  }
  return reach('store_unreachable', keep)
}

async function eventSubkey(
  { unwrap }: Unlocked,
  record: { readonly tenantId: TenantId; readonly eventId: WebhookEventId; readonly sealed: SealedEvent },
): Promise<Result<Uint8Array, OpenFault>> {
  const { tenantId, eventId, sealed } = record
  const { dek_version: dekVersion, salt, kek_version: kekVersion, wrapped_dek: wrapped } = sealed
  const dek = await unwrap({ purpose: 'tenant-dek', tenantId, keyVersion: dekVersion }, { kekVersion, wrapped })
  if (!dek.ok) return dek
  try {
    return success(await deriveSubkey({ dek: dek.value, salt, context: { tenantId, eventId, dekVersion } }))
  } finally {
    zeroize(dek.value)
  }
}

function targetOf(eventId: WebhookEventId): string {
  return `webhook_event:${eventId}`
}

const RETRYABLE: ReadonlySet<DoorRefusalCode> = new Set(['ledger_unreachable', 'store_unreachable'])

function refusal(code: DoorRefusalCode): DoorRefusal {
  log(PART, 'warn', 'event_door', { code })
  return { ok: false, code, retryable: RETRYABLE.has(code) }
}
