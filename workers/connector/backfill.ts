import { RESERVED_SHARE, retryAtOf } from '../../domain/backfill/pace.ts'
import { PROVIDERS } from '../../domain/providers/registry.ts'
import type { RunReason } from '../../domain/runs/words.ts'
import { type Backfill, noteFailedSlice, openBackfills, planBackfill, storeSlice } from './backfill-store.ts'
import type { LeasedJob } from './job-store.ts'
import { isParking, type PollParts, runJob, type Verdict } from './poll.ts'
import { type History, type PolledSite, ProviderFailure, type RunReport } from './providers/provider.ts'
import { CONNECTORS } from './providers/registry.ts'

/** What one job does: its key is held for no longer, and who comes after it need not wait long. */
const MAX_JOB_MS = 2 * 60_000
const MAX_SLICES = 60

/** What is left of the quota belongs to the polls. */
const QUOTA_LEFT_TO_POLLS = 'quota_left_to_polls'
class QuotaLeftToPolls extends Error {
  readonly waitMs: number

  constructor(waitMs: number) {
    super(QUOTA_LEFT_TO_POLLS)
    this.waitMs = waitMs
  }
}

/** These are of the provider as a whole: the next slice would meet them too. */
const PROVIDER_WIDE: ReadonlySet<string> = new Set([
  'provider_server_error',
  'provider_timeout',
  'provider_unreachable',
])

/** One try of one leased job: some slices of what is open, the newest first, each stored for itself. The rest is for the next job. */
export function backfillJob(parts: PollParts, job: LeasedJob): Promise<Verdict> {
  return runJob(parts, job, {
    reserved: Math.floor(PROVIDERS[job.provider].quota.calls * RESERVED_SHARE),
    shortage: (waitMs) => new QuotaLeftToPolls(waitMs),
    call: async (access, sites) => {
      const history = CONNECTORS[job.provider].history?.(access, sites)
      if (history === undefined)
        return { state: 'partial', facts: 0, reason: 'history_unsupported', retryAfterMs: undefined }
      return new Run(parts, job, history, sites).slices()
    },
  })
}

type Planned = Backfill & { readonly since: number }

class Run {
  readonly #parts: PollParts
  readonly #job: LeasedJob
  readonly #history: History
  readonly #sites: ReadonlyMap<string, PolledSite>
  /** What is known of how far back the provider goes, in this job. */
  readonly #planned = new Map<string, number>()
  #facts = 0
  #reason: RunReason | null = null

  constructor(parts: PollParts, job: LeasedJob, history: History, sites: readonly PolledSite[]) {
    this.#parts = parts
    this.#job = job
    this.#history = history
    this.#sites = new Map(sites.map((site) => [site.id, site]))
  }

  async slices(): Promise<RunReport> {
    const { clock, store } = this.#parts
    const deadline = (await clock()) + MAX_JOB_MS
    let open: readonly Backfill[] = await openBackfills(store, this.#job)
    try {
      for (let slices = 0; slices < MAX_SLICES && (await clock()) < deadline; slices += 1) {
        const [first, ...others] = open
        if (first === undefined) break
        const left = await this.#sliceUnlessFailed(first)
        open = left === null ? others : inTurn([left, ...others])
      }
    } catch (error) {
      return this.#throttledBy(error)
    }
    return this.#report(this.#reason === null ? 'complete' : 'partial', this.#reason)
  }

  /** What is left of it; null where nothing is, or nothing that may go on now. */
  async #sliceUnlessFailed(backfill: Backfill): Promise<Backfill | null> {
    try {
      return await this.#slice(backfill)
    } catch (error) {
      if (!(error instanceof ProviderFailure) || isOfTheKey(error)) throw error
      await this.#noteFailure(backfill, error.code)
      if (PROVIDER_WIDE.has(error.code)) throw error
      return null
    }
  }

  async #slice(backfill: Backfill): Promise<Backfill | null> {
    const { store } = this.#parts
    const site = this.#sites.get(backfill.siteId)
    if (site === undefined) throw new ProviderFailure('site_missing')
    const planned = await this.#plan(site, backfill)
    if (planned === null) return null
    const { dataset, since: from, doneFrom: to } = planned
    const slice = await this.#history.readNewest(site, dataset, { from, to })
    if (slice.from >= to || slice.from < from) throw new ProviderFailure('provider_reply_invalid')
    await storeSlice(store, this.#job, planned, slice)
    this.#facts += slice.facts.length
    return slice.from <= from ? null : { ...planned, doneFrom: slice.from, failures: 0 }
  }

  /** Asked once a job, since the provider drops its oldest days while a history is read. Null where nothing is left to read. */
  async #plan(site: PolledSite, backfill: Backfill): Promise<Planned | null> {
    const known = this.#planned.get(backfill.id)
    if (known !== undefined) return { ...backfill, since: known }
    const oldest = await this.#history.oldest(site, backfill.dataset)
    const since = Math.min(Math.max(oldest, backfill.since ?? oldest), backfill.until)
    this.#planned.set(backfill.id, since)
    if (since !== backfill.since) await planBackfill(this.#parts.store, this.#job, backfill, since)
    return since >= backfill.doneFrom ? null : { ...backfill, since }
  }

  async #noteFailure(backfill: Backfill, reason: RunReason): Promise<void> {
    this.#reason ??= reason
    const nextAt = retryAtOf(reason, backfill.failures + 1, await this.#parts.clock())
    await noteFailedSlice(this.#parts.store, this.#job, backfill, { reason, nextAt })
  }

  /** What was stored before stays. Everything else that ends a run is the job's own end. */
  #throttledBy(error: unknown): RunReport {
    if (error instanceof QuotaLeftToPolls) return this.#report('throttled', QUOTA_LEFT_TO_POLLS, error.waitMs)
    if (!(error instanceof ProviderFailure) || isParking(error.code)) throw error
    if (error.code === 'provider_rate_limited') return this.#report('throttled', error.code, error.retryAfterMs)
    return this.#report('partial', error.code)
  }

  #report(state: RunReport['state'], reason: RunReason | null, retryAfterMs?: number): RunReport {
    return { state, facts: this.#facts, reason, retryAfterMs }
  }
}

function isOfTheKey({ code }: ProviderFailure): boolean {
  return isParking(code) || code === 'provider_rate_limited'
}

/** The newest first, so that all charts of an account fill alike. */
function inTurn(open: readonly Backfill[]): readonly Backfill[] {
  return open.toSorted((one, other) => other.doneFrom - one.doneFrom)
}
