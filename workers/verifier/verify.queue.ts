import type { TenantId } from '../../domain/contracts/ids.ts'
import { VerifyMessage } from '../../domain/contracts/queues.ts'
import { log } from '../runtime/log.ts'
import type { Instruments } from './instruments.ts'
import type { KnownTenant } from './tenants.ts'
import { takeStep } from './work.ts'

/** What the handler needs of a queue's message. */
export type QueueMessage = {
  readonly body: unknown
  ack(): void
  retry(options: { readonly delaySeconds: number }): void
}

const RETRY_SECONDS = 60

/** A message is one step with one log. It is acknowledged when what comes next is in the queue: a crash before that repeats the step. */
export async function consumeVerify(tools: Instruments, messages: readonly QueueMessage[]): Promise<void> {
  for (const message of messages) {
    const parsed = VerifyMessage.safeParse(message.body)
    if (parsed.success) await consumeOne(tools, message, parsed.data)
    else {
      log('verifier', 'error', 'queue_message_refused', { code: 'message_malformed' })
      message.ack()
    }
  }
}

async function consumeOne(tools: Instruments, queued: QueueMessage, message: VerifyMessage): Promise<void> {
  try {
    const tenant = await tenantOf(tools, message.log)
    const { outcome, next } = await takeStep(tools, { tenant, message })
    log('verifier', outcome.kind === 'finding' ? 'error' : 'info', 'step', {
      tenant_id: message.log,
      op: message.kind,
      code: outcome.kind,
    })
    if (outcome.kind === 'failed') return queued.retry({ delaySeconds: RETRY_SECONDS })
    if (next !== null) await tools.enqueue([next], 0)
    queued.ack()
  } catch {
    log('verifier', 'error', 'step.retried', { tenant_id: message.log, op: message.kind })
    queued.retry({ delaySeconds: RETRY_SECONDS })
  }
}

async function tenantOf({ roster }: Instruments, tenantId: TenantId): Promise<KnownTenant> {
  const entry = await roster.entryOf(tenantId)
  return { tenantId, firstHash: entry?.firstHash ?? null, enteredAt: entry?.at ?? null }
}
