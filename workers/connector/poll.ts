import type { ConnectorDoorApi } from '../../domain/contracts/connector-door.ts'
import type { ProviderLimitsApi } from '../../domain/contracts/durable-objects.ts'
import { type ApiUrls, apiUrlOf } from '../../domain/providers/registry.ts'
import type { RunReason } from '../../domain/runs/words.ts'
import type { Secret } from '../../domain/secret.ts'
import { WebhookProvider } from '../../domain/webhooks/judge.ts'
import { log } from '../runtime/log.ts'
import { type JobStore, type LeasedJob, LeaseLost } from './job-store.ts'
import { type PolledSite, type ProviderAccess, ProviderFailure, type RunReport } from './providers/provider.ts'
import { CONNECTORS } from './providers/registry.ts'
import { type ReconcileParts, reconcile } from './reconcile.ts'
import { settle, withCredential } from './release.ts'
import { refreshSites } from './site-list.ts'

/** What a poll needs from outside; the same in workerd and in tests. */
export type PollParts = ReconcileParts & {
  readonly store: JobStore
  readonly vault: ConnectorDoorApi
  readonly limitsOf: (credentialId: string) => ProviderLimitsApi
  readonly fetch: (url: string, init: RequestInit) => Promise<Response>
  readonly apiUrls: ApiUrls
  readonly wait: (ms: number) => Promise<void>
  readonly timeoutMs?: number
}

/** How a try ended. `used`: whether a key was released for it. */
export type Verdict =
  | { readonly kind: 'ran'; readonly report: RunReport; readonly used: boolean }
  /** The provider no longer accepts the credential: it is parked, and nothing is tried again. */
  | { readonly kind: 'parked'; readonly code: RunReason; readonly used: boolean }
  | { readonly kind: 'failed'; readonly code: RunReason; readonly used: boolean; readonly incident?: string }
  | { readonly kind: 'retry'; readonly code: RunReason }
  | { readonly kind: 'lease_lost' }

class LimitsUnreachable extends Error {}

/** What of our own was out of reach when something threw that is no refusal. */
export function unreachableCode(error: unknown): 'limits_unreachable' | 'store_unreachable' {
  return error instanceof LimitsUnreachable ? 'limits_unreachable' : 'store_unreachable'
}

const PARKING: ReadonlySet<string> = new Set(['provider_unauthorized', 'provider_forbidden'])

export function isParking(code: string): boolean {
  return PARKING.has(code)
}

/** What a job asks of the provider once its key is open. */
export type ProviderTask = {
  /** Calls of the key's quota that are left to others. */
  readonly reserved: number
  /** What a call throws that the quota has no room for. */
  readonly shortage: (waitMs: number) => Error
  readonly call: (access: ProviderAccess, sites: readonly PolledSite[]) => Promise<RunReport>
}

export function pollJob(parts: PollParts, job: LeasedJob): Promise<Verdict> {
  const { clock, store } = parts
  const tools = { clock, store: store.store.bind(store, job), storeFindings: store.storeFindings.bind(store, job) }
  return runJob(parts, job, {
    reserved: 0,
    shortage: (waitMs) => new ProviderFailure('provider_rate_limited', waitMs),
    call: async (access, sites) => {
      const report = await refreshSites(parts, job, access, await CONNECTORS[job.provider].poll(access, sites, tools))
      if (report.reason !== 'provider_rate_limited') await reconcileAfter(parts, job, access)
      return report
    },
  })
}

/** The figures are stored by then: what fails here is for the next poll. */
async function reconcileAfter(parts: PollParts, job: LeasedJob, access: ProviderAccess): Promise<void> {
  if (!WebhookProvider.safeParse(job.provider).success) return
  try {
    await remember(parts, job, await reconcile(parts, job, access))
  } catch (error) {
    log('connector', 'warn', 'reconciled', { job_id: job.id, code: unreachableCode(error) })
  }
}

/** One try of one leased job: quota, release, provider, outcome row. */
export async function runJob(parts: PollParts, job: LeasedJob, task: ProviderTask): Promise<Verdict> {
  if (job.credential_state === 'parked') return { kind: 'parked', code: 'credential_parked', used: false }
  // Asked before the release: a provider that told us to wait is no reason to open a key.
  const wait = await quotaWait(parts, job, task.reserved)
  if (wait > 0) return throttled(wait)
  const opened = await withCredential(parts, job, (secret) => run(parts, job, task, secret))
  if (opened.ok) {
    await settle(parts.vault, job.id, outcomeOf(opened.value))
    return opened.value
  }
  if (opened.told !== null) await settle(parts.vault, job.id, { succeeded: false, code: opened.told })
  if (opened.retryable) return { kind: 'retry', code: opened.code }
  const isOurs = opened.code === 'not_openable' || opened.code === 'lease_mismatch'
  return {
    kind: 'failed',
    code: opened.code,
    used: opened.told !== null,
    ...(isOurs ? { incident: `credential_${opened.code}` } : {}),
  }
}

async function run(parts: PollParts, job: LeasedJob, task: ProviderTask, secret: Secret): Promise<Verdict> {
  try {
    return { kind: 'ran', report: await callProvider(parts, job, task, secret), used: true }
  } catch (error) {
    if (error instanceof LeaseLost) return { kind: 'lease_lost' }
    if (!(error instanceof ProviderFailure)) return { kind: 'retry', code: unreachableCode(error) }
    return isParking(error.code)
      ? { kind: 'parked', code: error.code, used: true }
      : { kind: 'retry', code: error.code }
  }
}

async function callProvider(parts: PollParts, job: LeasedJob, task: ProviderTask, secret: Secret): Promise<RunReport> {
  const access: ProviderAccess = {
    apiUrl: apiUrlOf(parts.apiUrls, job.provider),
    fetch: parts.fetch,
    clock: parts.clock,
    authorization: () => secret.use((text) => `Bearer ${text}`),
    acquire: () => acquireCall(parts, job, task),
    wait: parts.wait,
    ...(parts.timeoutMs === undefined ? {} : { timeoutMs: parts.timeoutMs }),
  }
  const report = await task.call(access, await parts.store.sites(job))
  if (report.reason === 'provider_rate_limited') await remember(parts, job, report.retryAfterMs)
  return report
}

async function acquireCall(parts: PollParts, job: LeasedJob, { reserved, shortage }: ProviderTask): Promise<void> {
  const wait = await quotaWait(parts, job, reserved)
  if (wait > 0) throw shortage(wait)
}

async function quotaWait(
  { limitsOf, clock }: PollParts,
  { credential_id, provider }: LeasedJob,
  reserved: number,
): Promise<number> {
  const at = await clock()
  try {
    const answer = await limitsOf(credential_id).acquire({ provider, cost: 1, reserved, at })
    return answer.ok ? 0 : answer.waitMs
  } catch {
    throw new LimitsUnreachable()
  }
}

/** Whoever calls next with this credential waits too, whichever job it is for. */
async function remember(parts: PollParts, job: LeasedJob, waitMs: number | undefined): Promise<void> {
  if (waitMs === undefined) return
  const until = (await parts.clock()) + waitMs
  await parts.limitsOf(job.credential_id).blockUntil({ provider: job.provider, until })
}

function throttled(retryAfterMs: number): Verdict {
  const report: RunReport = { state: 'throttled', facts: 0, reason: 'provider_rate_limited', retryAfterMs }
  return { kind: 'ran', report, used: false }
}

function outcomeOf(verdict: Verdict): { succeeded: boolean; code: string } {
  switch (verdict.kind) {
    case 'ran':
      return { succeeded: verdict.report.state === 'complete', code: verdict.report.reason ?? verdict.report.state }
    case 'lease_lost':
      return { succeeded: false, code: 'lease_lost' }
    default:
      return { succeeded: false, code: verdict.code }
  }
}
