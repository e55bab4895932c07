import { z } from 'zod'
import { IngestMessage } from '../../domain/contracts/queues.ts'
import type { Sql } from '../runtime/database.ts'

/** Cloudflare Queues takes 100 messages a sendBatch. */
const MESSAGES_PER_BATCH = 100
/** Each claim ranks all that is due, so that it takes many; what a queue that is down did not take waits for its lease to end. */
const JOBS_PER_CLAIM = 1000
/** More than this in one minute waits for the next: a Worker's time is bounded. */
const CLAIMS_PER_MINUTE = 10
/**
 * Covers a message's whole life: the run itself, every retry with its backoff, and the dead letter. Only a message that
 * was never sent, or a consumer that died, leaves a lease to run out and the job to be claimed again.
 */
const LEASE_SECONDS = 900

const Claimed = z.array(z.object({ job_id: z.string(), credential_id: z.string(), attempt: z.int() }))

/** Claims and sends in turn, so that no more is leased than the queue has taken, but for one claim. */
export async function fanOut(sql: Sql, ingest: Pick<Queue<IngestMessage>, 'sendBatch'>, at: Date): Promise<number> {
  let sent = 0
  for (let claims = 0; claims < CLAIMS_PER_MINUTE; claims += 1) {
    const messages = await claimDue(sql, at)
    for (let from = 0; from < messages.length; from += MESSAGES_PER_BATCH) {
      const batch = messages.slice(from, from + MESSAGES_PER_BATCH)
      await ingest.sendBatch(batch.map((body) => ({ body, contentType: 'json' as const })))
    }
    sent += messages.length
    if (messages.length < JOBS_PER_CLAIM) break
  }
  return sent
}

async function claimDue(sql: Sql, at: Date): Promise<IngestMessage[]> {
  const rows = await sql`
    select job_id, credential_id, attempt from flarewatch.claim_due(${at}, ${LEASE_SECONDS}, ${JOBS_PER_CLAIM})`
  return Claimed.parse(rows.slice()).map(({ job_id, credential_id }) => IngestMessage.parse({ job_id, credential_id }))
}
