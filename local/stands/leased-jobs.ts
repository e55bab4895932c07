import { randomUUID } from 'node:crypto'
import type { PollingStack } from './polling-stand.ts'

type JobKind = 'poll' | 'backfill'
type ClaimedJob = { readonly job_id: string; readonly credential_id: string; readonly kind: JobKind }
export type Delivery = 'acked' | { readonly retriedAfter: number | undefined }

const MINUTE_MS = 60_000
const MOST_MINUTES = 2000

/** Leases what is due as the scheduler does, without its queue. */
export async function claimJobs({ sql, now }: PollingStack): Promise<readonly ClaimedJob[]> {
  const jobs = await sql<{ job_id: string }[]>`select job_id from flarewatch.claim_due(${new Date(now)}, 900, 100)`
  return sql<ClaimedJob[]>`
    select id as job_id, credential_id, kind from flarewatch.jobs where id = any(${jobs.map(({ job_id }) => job_id)})`
}

/** Gives the connector one message of a queue, and says what it did with it. */
export async function deliverTo(stack: PollingStack, queue: string, body: unknown, attempts = 1): Promise<Delivery> {
  const connector = await stack.miniflare.getWorker('flarewatch-connector')
  const id = randomUUID()
  const result = await connector.queue(queue, [{ id, timestamp: new Date(stack.now), body, attempts }])
  if (result.outcome !== 'ok') throw new Error(`the connector ended with ${result.outcome}`)
  if (result.explicitAcks.includes(id)) return 'acked'
  return { retriedAfter: result.retryMessages.find(({ msgId }) => msgId === id)?.delaySeconds }
}

/** Runs the jobs of every minute until the whole history of every active credential is read. How many of them read history. */
export async function runUntilBackfilled(stack: PollingStack): Promise<number> {
  let backfills = 0
  for (let minute = 0; minute < MOST_MINUTES; minute += 1) {
    if (await isBackfilled(stack)) return backfills
    for (const { kind, ...message } of await claimJobs(stack)) {
      await deliverTo(stack, 'flarewatch-ingest', message)
      if (kind === 'backfill') backfills += 1
    }
    stack.now += MINUTE_MS
  }
  throw new Error('the history does not end')
}

async function isBackfilled({ sql }: PollingStack): Promise<boolean> {
  const open = await sql`
    select from flarewatch.backfills b
      join flarewatch.sites s on s.id = b.site_id join flarewatch.credentials c on c.id = s.credential_id
    where b.state = 'open' and c.state = 'active' limit 1`
  return open.length === 0
}
