import { type ConnectorDoorApi, MAX_GAPS } from '../../domain/contracts/connector-door.ts'
import { log } from '../runtime/log.ts'
import type { Gap, GapStore, Reconcilable } from './gap-store.ts'
import type { LeasedJob } from './job-store.ts'
import { EVENT_LISTS, type ListedEvent } from './providers/event-list.ts'
import { type ProviderAccess, ProviderFailure } from './providers/provider.ts'
import { callVault } from './release.ts'

export type ReconcileParts = {
  readonly gaps: GapStore
  readonly vault: Pick<ConnectorDoorApi, 'sealEvents'>
  readonly clock: () => Promise<number>
}

const MINUTE_MS = 60_000
const EVERY_MS = 60 * MINUTE_MS
const AGAIN_AFTER_FAILURE_MS = 15 * MINUTE_MS
/** Younger events may be on their way. */
const SETTLING_MS = 10 * MINUTE_MS
/** Beside the figures' own minutes, well inside the lease. What was filled by then stays, and the rest is for the next time. */
const MAX_MS = 2 * MINUTE_MS

class Unfilled extends Error {
  readonly code: string
  constructor(code: string) {
    super(code)
    this.code = code
  }
}

/**
 * Once an hour, with the key that the figures were read with: what the provider lists is held against what came, and what never came is
 * sealed into the inbox, marked and counted. How it fares changes nothing about the poll: events are worth a poll, and figures are
 * read whole without them (ADR-0023). A wait that the provider asks for is the return value.
 */
export async function reconcile(
  parts: ReconcileParts,
  job: LeasedJob,
  access: ProviderAccess,
): Promise<number | undefined> {
  const endpoint = await parts.gaps.due(job)
  if (endpoint === undefined) return undefined
  const now = await parts.clock()
  const from = endpoint.since.getTime()
  const newest = now - SETTLING_MS
  if (newest <= from) return undefined
  const to = Math.min(newest, from + EVENT_LISTS[endpoint.provider].longestMs)
  try {
    const filled = await compare(parts, job, access, { endpoint, to })
    const againAt = new Date(to < newest ? now : now + EVERY_MS)
    await parts.gaps.end(job, { until: new Date(to), againAt, code: null })
    log('connector', 'info', 'reconciled', { job_id: job.id, count: filled })
    return undefined
  } catch (error) {
    if (!(error instanceof ProviderFailure) && !(error instanceof Unfilled)) throw error
    log('connector', 'warn', 'reconciled', { job_id: job.id, code: error.code })
    await parts.gaps.end(job, {
      until: new Date(to),
      againAt: new Date(now + AGAIN_AFTER_FAILURE_MS),
      code: error.code,
    })
    return error instanceof ProviderFailure ? error.retryAfterMs : undefined
  }
}

/** How many gaps there were. Each page's are filled before the next is asked for. */
async function compare(
  parts: ReconcileParts,
  job: LeasedJob,
  access: ProviderAccess,
  { endpoint, to }: { readonly endpoint: Reconcilable; readonly to: number },
): Promise<number> {
  const deadline = (await parts.clock()) + MAX_MS
  const range = { from: endpoint.since.getTime(), to, endpointId: endpoint.endpoint_id }
  let filled = 0
  for await (const page of EVENT_LISTS[endpoint.provider].list(access, range)) {
    const ids = page.map(({ id }) => id)
    const missing = ids.length === 0 ? new Set<string>() : await parts.gaps.missing(job, ids)
    const gaps = page.filter(({ id }) => missing.has(id))
    for (let first = 0; first < gaps.length; first += MAX_GAPS) {
      filled += await fill(parts, job, gaps.slice(first, first + MAX_GAPS))
    }
    if ((await parts.clock()) > deadline) throw new Unfilled('run_too_long')
  }
  return filled
}

async function fill({ gaps, vault }: ReconcileParts, job: LeasedJob, listed: readonly ListedEvent[]): Promise<number> {
  const deliveries: { messageId: string; body: Uint8Array }[] = []
  // One after the other: a provider's limit is one of seconds.
  for (const { messageId, body } of listed) deliveries.push({ messageId, body: await body() })
  const sealed = await callVault(() => vault.sealEvents(job.id, deliveries))
  if (!sealed.ok) throw new Unfilled(sealed.code)
  const found: Gap[] = listed.flatMap(({ id, at }, place) => {
    const event = sealed.events[place]
    return event === undefined ? [] : [{ id, at, sealed: event }]
  })
  return gaps.fill(job, found)
}
