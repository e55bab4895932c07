import type { ProviderAction } from 'domain/contracts/functions.ts'
import { MAX_LISTED, RemovedSuppression, Suppressions, VerifyStarted } from 'domain/providers/resend/suppressions.ts'
import type { z } from 'zod'
import { Refused } from '../_shared/errors.ts'
import { askFor, type Deed } from './perform.ts'

/** A request without one is refused. */
const HEADERS = { 'user-agent': 'flarewatch' }

export const verifyDomain: Deed<z.infer<typeof ProviderAction.verify>, z.infer<typeof VerifyStarted>> = {
  act: 'provider.verify_domain',
  provider: 'resend',
  done: 'verification_started',
  perform: (ask, _, domain) =>
    askFor(ask, { method: 'POST', path: `/domains/${domain}/verify`, headers: HEADERS }, VerifyStarted),
  keep: ({ id }, site) => ({ site, provider_id: id }),
}

/** A team has one list for all its domains. */
export const readSuppressions: Deed<z.infer<typeof ProviderAction.read>, z.infer<typeof ProviderAction.listed>> = {
  act: 'provider.read_suppressions',
  provider: 'resend',
  done: 'read',
  perform: async (ask, { suppressions_after: after }) => {
    const query = new URLSearchParams({ limit: String(MAX_LISTED), ...(after === null ? {} : { after }) })
    const path = `/suppressions?${query}`
    const { data, has_more } = await askFor(ask, { method: 'GET', path, headers: HEADERS }, Suppressions)
    return { suppressions: data, more: has_more }
  },
  keep: null,
}

/** By its id: the address itself is in no request, no row and no answer of ours. */
export const removeSuppression: Deed<z.infer<typeof ProviderAction.remove>, z.infer<typeof RemovedSuppression>> = {
  act: 'provider.remove_suppression',
  provider: 'resend',
  done: 'removed',
  perform: async (ask, { remove_suppression: id }) => {
    const request = { method: 'DELETE', path: `/suppressions/${id}`, headers: HEADERS } as const
    const removed = await askFor(ask, request, RemovedSuppression)
    if (removed.id !== id) throw new Refused('provider_outcome_unknown')
    return removed
  },
  keep: ({ id }, site) => ({ site, provider_id: id }),
}
