import type { LeasedJob } from './job-store.ts'
import type { PollParts } from './poll.ts'
import { type ProviderAccess, ProviderFailure, type RunReport } from './providers/provider.ts'
import { SITE_LISTS } from './providers/registry.ts'

const EVERY_MS = 60 * 60_000

/**
 * Once an hour, after a run: which sites the key reaches now. What was read before stays read; a list that fails makes the run partial,
 * since a site may be missing from it.
 */
export async function refreshSites(
  { store, clock }: Pick<PollParts, 'store' | 'clock'>,
  job: LeasedJob,
  access: ProviderAccess,
  report: RunReport,
): Promise<RunReport> {
  const list = SITE_LISTS[job.provider]
  const seenAt = job.sites_seen_at?.getTime() ?? Number.NEGATIVE_INFINITY
  if (list === undefined || report.state === 'throttled' || (await clock()) < seenAt + EVERY_MS) return report
  try {
    await store.noteSites(job, await list(access))
    return report
  } catch (error) {
    if (!(error instanceof ProviderFailure)) throw error
    if (error.code === 'provider_rate_limited') {
      return { ...report, state: 'throttled', reason: error.code, retryAfterMs: error.retryAfterMs }
    }
    return report.state === 'complete' ? { ...report, state: 'partial', reason: 'sites_unread' } : report
  }
}
