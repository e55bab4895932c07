import { z } from 'zod'
import { IngestMessage } from '../../domain/contracts/queues.ts'
import type { Sql } from '../runtime/database.ts'

/** Cloudflare Queues takes 100 messages a sendBatch. */
const MESSAGES_PER_BATCH = 100
/** More than this in one minute waits for the next: a Worker's time is bounded, and leases are only taken for what is sent. */
const BATCHES_PER_MINUTE = 20
/**
 * Covers a message's whole life: the run itself, every retry with its backoff, and the dead letter. Only a message that
 * was never sent, or a consumer that died, leaves a lease to run out and the job to be claimed again.
 */
const LEASE_SECONDS = 900

const Claimed = z.array(z.object({ job_id: z.string(), credential_id: z.string(), attempt: z.int() }))

/** Claims and sends batch by batch, so that no more is leased than the queue has taken, but for one batch. */
export async function fanOut(sql: Sql, ingest: Pick<Queue<IngestMessage>, 'sendBatch'>, at: Date): Promise<number> {
  let sent = 0
  for (let batch = 0; batch < BATCHES_PER_MINUTE; batch += 1) {
    const messages = await claimDue(sql, at)
    if (messages.length > 0) await ingest.sendBatch(messages.map((body) => ({ body, contentType: 'json' as const })))
    sent += messages.length
    if (messages.length < MESSAGES_PER_BATCH) break
  }
  return sent
}

async function claimDue(sql: Sql, at: Date): Promise<IngestMessage[]> {
  const rows = await sql`
    select job_id, credential_id, attempt from flarewatch.claim_due(${at}, ${LEASE_SECONDS}, ${MESSAGES_PER_BATCH})`
  return Claimed.parse(rows.slice()).map(({ job_id, credential_id }) => IngestMessage.parse({ job_id, credential_id }))
}
