import { log } from '../runtime/log.ts'
import { judgeMessage, type QueueMessage, retryDelaySeconds } from './ingest.queue.ts'
import { type JobStore, LeaseLost } from './job-store.ts'

const NO_REASON = 'retries_exhausted'

/**
 * A job whose every try failed: it ends as dead with the last try's reason, its credential shows that reason, and an
 * incident says so. The credential stays active: the next poll goes on from the same cursor.
 */
export async function consumeDeadLetters(store: JobStore, messages: readonly QueueMessage[]): Promise<void> {
  for (const message of messages) await bury(store, message)
}

async function bury(store: JobStore, message: QueueMessage): Promise<void> {
  try {
    const job = await judgeMessage(store, message.body)
    if (job !== undefined) {
      const reason = job.reason ?? NO_REASON
      const credential = { parked: false, reason, used: false, succeeded: false, notBefore: null }
      const end = { state: 'dead', runState: 'failed', reason, incident: 'job_dead' } as const
      // A record that could not be carried over yet says nothing of how its credential fares.
      if (job.kind === 'reseal') await store.finishReseal(job, end)
      else if (job.kind === 'backfill') await store.finishBackfill(job, { ...end, credential })
      else await store.finish(job, { ...end, credential })
      log('connector', 'error', 'job_dead', { job_id: job.id, code: reason })
    }
    message.ack()
  } catch (error) {
    if (error instanceof LeaseLost) return message.ack()
    log('connector', 'error', 'retried', { code: 'store_unreachable', attempt: message.attempts })
    message.retry({ delaySeconds: retryDelaySeconds(message.attempts) })
  }
}
