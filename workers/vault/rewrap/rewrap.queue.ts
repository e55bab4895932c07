import type { TenantId } from '../../../domain/contracts/ids.ts'
import { RewrapMessage } from '../../../domain/contracts/queues.ts'
import { failure, type Result, success } from '../../../domain/result.ts'
import { log } from '../../runtime/log.ts'
import { PART } from '../call.ts'
import { currentKeks } from '../keks.ts'
import { askLedger } from '../ledger.ts'
import type { Visit } from '../visit.ts'
import { rewrapBatch } from './batch.ts'
import { withTenantLease } from './lease.ts'
import { readStaleTenants } from './wraps.ts'

type QueueMessage = Pick<Message, 'body' | 'ack' | 'retry'>
type TenantMessage = Extract<RewrapMessage, { kind: 'tenant' }>

/** With the queue's ten retries, longer than the lease that a consumer which died may have left behind. */
const RETRY_SECONDS = 2
const WAITS_FOR_PEOPLE: ReadonlySet<string> = new Set(['tenant_frozen', 'budget_exceeded'])

/** Each message is acknowledged or retried for itself. One that is given up is sent again by the cron, from the rows. */
export async function consumeRewrap(visit: Visit, messages: readonly QueueMessage[]): Promise<void> {
  await Promise.all(messages.map((message) => consumeOne(visit, message)))
}

async function consumeOne(visit: Visit, message: QueueMessage): Promise<void> {
  const parsed = RewrapMessage.safeParse(message.body)
  if (!parsed.success) {
    log(PART, 'error', 'rewrap_message_malformed')
    return message.ack()
  }
  try {
    const { data } = parsed
    const done = data.kind === 'tenants' ? await fanOut(visit, data.after) : await moveTenant(visit, data)
    if (done.ok) return message.ack()
    log(PART, 'warn', 'rewrap_retried', { code: done.code })
  } catch (error) {
    log(PART, 'error', 'rewrap_retried', { code: error instanceof Error ? error.name : typeof error })
  }
  message.retry({ delaySeconds: RETRY_SECONDS })
}

/** One message for each tenant of a page, and one for the next page. */
async function fanOut(visit: Visit, after: TenantId | null): Promise<Result<null, string>> {
  const ring = await currentKeks(visit)
  if (!ring.ok) return ring
  if (ring.value.stale.length === 0) return success(null)
  const { tenants, next } = await readStaleTenants(visit, ring.value.stale, after)
  const messages: RewrapMessage[] = tenants.map((tenant_id) => ({ kind: 'tenant', tenant_id, after: null }))
  if (next !== null) messages.push({ kind: 'tenants', after: next })
  if (messages.length > 0) await visit.bindings.REWRAP.sendBatch(messages.map((body) => ({ body })))
  return success(null)
}

/** A frozen tenant's wraps wait until it is no longer: a release would be refused and leave a row for nothing. */
async function moveTenant(visit: Visit, { tenant_id: tenantId, after }: TenantMessage): Promise<Result<null, string>> {
  const head = await askLedger(visit.bindings, tenantId, (ledger) => ledger.head())
  if (!head.ok) return head
  if (head.value.frozen) {
    log(PART, 'warn', 'rewrap_waits', { tenant_id: tenantId, code: 'tenant_frozen' })
    return success(null)
  }
  const ended = await withTenantLease(visit, tenantId, () => rewrapBatch(visit, tenantId, after))
  if (ended === null) return failure('tenant_busy')
  // Frozen in between: asking again would only add rows.
  if (!ended.ok) return WAITS_FOR_PEOPLE.has(ended.code) ? success(null) : ended
  const { moved, next } = ended.value
  log(PART, 'info', 'rewrapped', { tenant_id: tenantId, count: moved })
  if (next !== null) await visit.bindings.REWRAP.send({ kind: 'tenant', tenant_id: tenantId, after: next })
  return success(null)
}
