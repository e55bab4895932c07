import { z } from 'zod'
import { WebhookEventId } from '../../domain/contracts/ids.ts'
import type { EventMessage } from '../../domain/contracts/queues.ts'
import type { Sql } from '../runtime/database.ts'

/** Cloudflare Queues takes 100 messages a sendBatch; what is over waits for the next minute. */
const EVENTS_PER_MINUTE = 100
const DROPPED_PER_MINUTE = 1000

const Requeued = z.array(z.object({ event_id: WebhookEventId }))

/** Events that wait although their id was to go to the queue minutes ago: it was down, or no retry has helped. How many were sent. */
export async function requeueEvents(
  sql: Sql,
  ingest: Pick<Queue<EventMessage>, 'sendBatch'>,
  at: Date,
): Promise<number> {
  const rows = await sql`select event_id from flarewatch.requeue_events(${at}, ${EVENTS_PER_MINUTE}) as event_id`
  const messages = Requeued.parse(rows.slice())
  if (messages.length > 0) await ingest.sendBatch(messages.map((body) => ({ body, contentType: 'json' as const })))
  return messages.length
}

export async function dropOldEvents(sql: Sql, at: Date): Promise<void> {
  await sql`select flarewatch.drop_old_events(${at}, ${DROPPED_PER_MINUTE})`
}
