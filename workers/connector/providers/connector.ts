import {
  type Poll,
  type PolledSite,
  type ProviderAccess,
  ProviderFailure,
  type RunReport,
  type RunTools,
} from './provider.ts'

/** How far a run came, by the provider's own file; what it stored and a provider that asks to wait are alike for all. */
export type RunEnd = Pick<RunReport, 'reason'> & { readonly state: Exclude<RunReport['state'], 'throttled'> }
type Read = (access: ProviderAccess, sites: readonly PolledSite[], tools: RunTools) => Promise<RunEnd>

/** Counts what is stored; what was stored before the provider asked to wait stays. */
export function connectorOf(read: Read): Poll {
  return async (access, sites, tools) => {
    let facts = 0
    const counted: RunTools = {
      ...tools,
      store: async (chunk) => {
        await tools.store(chunk)
        facts += chunk.facts.length
      },
    }
    try {
      const end = await read(access, sites, counted)
      // Of no site nothing was asked, so nothing is proved.
      const judged: RunEnd = sites.length === 0 ? { state: 'partial', reason: 'no_sites' } : end
      return { ...judged, facts, retryAfterMs: undefined }
    } catch (error) {
      if (!(error instanceof ProviderFailure) || error.code !== 'provider_rate_limited') throw error
      return { state: 'throttled', facts, reason: error.code, retryAfterMs: error.retryAfterMs }
    }
  }
}
