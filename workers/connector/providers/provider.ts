import type { z } from 'zod'
import type { TopDimension } from '../../../domain/contracts/api.ts'
import type { SiteId } from '../../../domain/contracts/ids.ts'
import type { RunState } from '../../../domain/contracts/runs.ts'
import type { FindingKind } from '../../../domain/findings/kinds.ts'
import type { MetricName, Unit } from '../../../domain/metrics/definitions.ts'
import type { Top } from '../../../domain/metrics/tops.ts'
import type { RunReason } from '../../../domain/runs/words.ts'

/** Why a call to a provider gave nothing. Stable words: they reach the job, the credential line and the audit log. */
export type ProviderFailureCode =
  | 'provider_unauthorized'
  | 'provider_forbidden'
  /** One zone is closed to the token; the token itself is good. */
  | 'provider_zone_forbidden'
  | 'provider_rate_limited'
  | 'provider_server_error'
  | 'provider_timeout'
  | 'provider_unreachable'
  | 'provider_reply_invalid'
  | 'provider_reply_too_large'
  | 'provider_query_refused'
  /** A site that the provider no longer lists. */
  | 'site_missing'
  | 'page_repeated'
  /** The account delivers to no address of ours. */
  | 'webhook_unregistered'

/** Carries a code and a wait, never the provider's own text: that could echo what was sent. */
export class ProviderFailure extends Error {
  readonly code: ProviderFailureCode
  readonly retryAfterMs: number | undefined

  constructor(code: ProviderFailureCode, retryAfterMs?: number) {
    super(code)
    this.name = 'ProviderFailure'
    this.code = code
    this.retryAfterMs = retryAfterMs
  }
}

/** The last two are Cloudflare's alone, each with a reach of its own and so a cursor. */
export type DatasetName = 'hourly' | 'daily' | 'hourly_rollup' | 'paths'
export type PolledSite = {
  readonly id: SiteId
  readonly providerRef: string
  /** In which the site's days are counted. */
  readonly timeZone: string
  /** Those that its figures are in so far. */
  readonly currencies: readonly string[]
  /** Unix milliseconds up to which each dataset is complete; null before the first poll. */
  readonly cursors: { readonly hourly: number | null; readonly daily: number | null } & {
    readonly [Name in DatasetName]?: number | null
  }
}

export type Fact = {
  readonly metric: MetricName
  readonly unit: Unit
  /** ISO 4217; null unless the unit is `minor`. */
  readonly currency: string | null
  readonly windowStart: number
  readonly windowEnd: number
  readonly value: number
  readonly source: string
  /** 1 = every event counted. */
  readonly sampling: number
  readonly completeness: 'complete' | 'partial'
}

/** The largest shares of a day's requests; a later reading of the day replaces them all. */
export type DayTop = Top & {
  readonly dimension: z.infer<typeof TopDimension>
  readonly windowStart: number
  readonly windowEnd: number
  readonly source: string
  /** Of the whole, and so of the rest. */
  readonly sampling: number
  readonly completeness: 'complete' | 'partial'
}

/** What is stored in one transaction: facts, where they come from, and how far the site is now complete. */
export type Chunk = {
  readonly siteId: SiteId
  readonly dataset: DatasetName
  readonly facts: readonly Fact[]
  readonly tops?: readonly DayTop[]
  readonly completeUntil: number | null
  /** Of a first poll alone: where it began. What lies before it is its history, which is then planned. */
  readonly historyUntil?: number
  readonly fetchedAt: number
}

export type Finding = {
  readonly kind: FindingKind
  readonly subject: string
  readonly detail: string | null
}

/**
 * What one look at a site found. `whole` names the kinds of which all were seen: only of those is what was not found any more resolved,
 * so that a look that was cut short ends nothing.
 */
export type Look = {
  readonly siteId: SiteId
  readonly findings: readonly Finding[]
  readonly whole: readonly FindingKind[]
  readonly at: number
}

export type RunReport = {
  readonly state: Exclude<RunState, 'parked' | 'failed'>
  readonly facts: number
  /** Why it is not `complete`; null when it is. */
  readonly reason: RunReason | null
  /** Set when the provider, or our own count of its quota, said how long to wait. */
  readonly retryAfterMs: number | undefined
}

/** How a provider is reached with one credential. */
export type ProviderAccess = {
  readonly apiUrl: string
  readonly fetch: (url: string, init: RequestInit) => Promise<Response>
  readonly clock: () => Promise<number>
  /** Gives the authorization header for one request; the key itself stays with the caller. */
  readonly authorization: () => string
  /** Takes one call from the credential's quota; throws `provider_rate_limited` when there is none. */
  readonly acquire: () => Promise<void>
  /** Lets time pass between two calls, where a provider's limit is one of seconds. */
  readonly wait: (ms: number) => Promise<void>
  readonly timeoutMs?: number
}

/** What a provider's file gets to work with. The clock is asked again before each call, since a run takes minutes. */
export type RunTools = {
  readonly clock: () => Promise<number>
  readonly store: (chunk: Chunk) => Promise<void>
  readonly storeFindings: (look: Look) => Promise<void>
}

/** What a key reaches now. Not `whole` where the provider has more than are read: what is missing then may still be there. */
export type SiteList = {
  readonly sites: readonly { readonly providerRef: string; readonly name: string; readonly timeZone: string }[]
  readonly whole: boolean
}
export type SiteLister = (access: ProviderAccess) => Promise<SiteList>

/** One run over all sites of a credential, each from its own cursors; a first one reads recent windows alone. */
export type Poll = (access: ProviderAccess, sites: readonly PolledSite[], tools: RunTools) => Promise<RunReport>

/** Half-open, in Unix milliseconds, on the dataset's own windows. */
export type Range = { readonly from: number; readonly to: number }
/** The newest part of a range, whole from `from` on. `from` is the range's own where nothing is left of it. */
export type Slice = { readonly from: number } & Pick<Chunk, 'facts' | 'tops' | 'fetchedAt'>

/** What lies before a first poll. Made anew for each job, so that it may keep what it learned of the provider meanwhile. */
export type History = {
  /** The oldest instant that the provider can still be asked for, or later than now where it keeps none. */
  readonly oldest: (site: PolledSite, dataset: DatasetName) => Promise<number>
  /** As much of the range's end as one transaction stores. The same range always gives the same facts, but for corrections. */
  readonly readNewest: (site: PolledSite, dataset: DatasetName, range: Range) => Promise<Slice>
}

export type Connector = {
  readonly poll: Poll
  /** Null for a provider that tells of the present alone. */
  readonly history: ((access: ProviderAccess, sites: readonly PolledSite[]) => History) | null
}
