import { IngestMessage } from '../../domain/contracts/queues.ts'
import { log } from '../runtime/log.ts'
import { backfillJob } from './backfill.ts'
import { type JobEnd, type JobStore, type LeasedJob, LeaseLost } from './job-store.ts'
import { type PollParts, pollJob, unreachableCode, type Verdict } from './poll.ts'
import { resealJob } from './reseal.ts'

/** What the handler needs of a queue's message. */
export type QueueMessage = {
  readonly body: unknown
  /** 1 for the first delivery. */
  readonly attempts: number
  ack(): void
  retry(options: { readonly delaySeconds: number }): void
}

/**
 * 1, 2, 4, 8, 16 seconds: together well inside the lease, and over before the shortest tier's credential is due again. What
 * lasts longer than a blip is for the next poll, not for a queue.
 */
const FIRST_RETRY_SECONDS = 1
const LONGEST_RETRY_SECONDS = 60

export function retryDelaySeconds(attempts: number): number {
  return Math.min(FIRST_RETRY_SECONDS * 2 ** Math.max(0, attempts - 1), LONGEST_RETRY_SECONDS)
}

/** Each message is acknowledged or retried for itself, whatever happens to the others of its batch. */
export async function consumeIngest(parts: PollParts, messages: readonly QueueMessage[]): Promise<void> {
  await Promise.all(messages.map((message) => consumeOne(parts, message)))
}

async function consumeOne(parts: PollParts, message: QueueMessage): Promise<void> {
  try {
    const job = await judgeMessage(parts.store, message.body)
    if (job === undefined) return message.ack()
    if (job.kind === 'reseal') return await resealOne(parts, job, message)
    const isBackfill = job.kind === 'backfill'
    const verdict = await (isBackfill ? backfillJob(parts, job) : pollJob(parts, job))
    log('connector', verdict.kind === 'ran' ? 'info' : 'warn', isBackfill ? 'backfilled' : 'polled', {
      job_id: job.id,
      ...fieldsOf(verdict, message),
    })
    if (verdict.kind === 'lease_lost') return message.ack()
    if (verdict.kind === 'retry') {
      await parts.store.noteRetry(job, verdict.code)
      return message.retry({ delaySeconds: retryDelaySeconds(message.attempts) })
    }
    const end = endOf(verdict, await parts.clock())
    await (isBackfill ? parts.store.finishBackfill(job, end) : parts.store.finish(job, end))
    message.ack()
  } catch (error) {
    if (error instanceof LeaseLost) return message.ack()
    log('connector', 'error', 'retried', { code: unreachableCode(error), attempt: message.attempts })
    message.retry({ delaySeconds: retryDelaySeconds(message.attempts) })
  }
}

async function resealOne(parts: PollParts, job: LeasedJob, message: QueueMessage): Promise<void> {
  const verdict = await resealJob(parts, job)
  const code = verdict.kind === 'resealed' ? verdict.kind : verdict.code
  log('connector', verdict.kind === 'resealed' ? 'info' : 'warn', 'reseal', { job_id: job.id, code })
  if (verdict.kind !== 'retry') return message.ack()
  await parts.store.noteRetry(job, verdict.code)
  message.retry({ delaySeconds: retryDelaySeconds(message.attempts) })
}

/** A message counts only for the job that is leased now and for the credential that this job is for. */
export async function judgeMessage(store: JobStore, body: unknown): Promise<LeasedJob | undefined> {
  const parsed = IngestMessage.safeParse(body)
  if (!parsed.success) {
    await refuse(store, { reason: 'message_malformed' }, null)
    return undefined
  }
  const { job_id, credential_id } = parsed.data
  const job = await store.leased(job_id)
  if (job?.credential_id === credential_id) return job
  const known = await store.known(job_id)
  await refuse(store, { reason: reasonFor(job, known?.state), job_id, credential_id }, known?.tenantId ?? null)
  return undefined
}

function reasonFor(job: LeasedJob | undefined, state: string | undefined): string {
  if (job !== undefined) return 'credential_mismatch'
  if (state === undefined) return 'job_unknown'
  return state === 'leased' ? 'lease_expired' : 'job_finished'
}

async function refuse(...[store, detail, tenantId]: [JobStore, ...Parameters<JobStore['refuse']>]): Promise<void> {
  log('connector', 'warn', 'queue_message_refused', { code: detail.reason ?? '' })
  await store.refuse(detail, tenantId)
}

function endOf(verdict: Exclude<Verdict, { kind: 'retry' | 'lease_lost' }>, at: number): JobEnd {
  const credential = { parked: false, reason: null, used: true, succeeded: false, notBefore: null }
  switch (verdict.kind) {
    case 'ran': {
      const { state: runState, reason, retryAfterMs } = verdict.report
      const notBefore = retryAfterMs === undefined ? null : new Date(at + retryAfterMs)
      const shown = { ...credential, reason, used: verdict.used, succeeded: runState === 'complete', notBefore }
      return { state: 'done', runState, reason, credential: shown }
    }
    case 'parked': {
      const { code, used } = verdict
      // One that was parked before the run keeps the reason that it was parked for.
      const parked = { ...credential, parked: used, reason: code, used }
      return { state: 'failed', runState: 'parked', reason: code, credential: parked }
    }
    case 'failed': {
      const { code, used, incident } = verdict
      const end: JobEnd = {
        state: 'failed',
        runState: 'failed',
        reason: code,
        credential: { ...credential, reason: code, used },
      }
      return incident === undefined ? end : { ...end, incident }
    }
  }
}

function fieldsOf(verdict: Verdict, { attempts }: QueueMessage) {
  switch (verdict.kind) {
    case 'ran':
      return { code: verdict.report.reason ?? verdict.report.state, count: verdict.report.facts, attempt: attempts }
    case 'lease_lost':
      return { code: 'lease_lost', attempt: attempts }
    default:
      return { code: verdict.code, attempt: attempts }
  }
}
