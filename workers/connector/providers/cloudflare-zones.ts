import { MAX_ZONES, ZONE_TIME } from '../../../domain/providers/cloudflare/grading.ts'
import { ZONES_PER_PAGE, ZonesPage } from '../../../domain/providers/cloudflare/schemas.ts'
import { type ProviderAccess, ProviderFailure, type SiteList } from './provider.ts'
import { askProvider } from './request.ts'

const MAX_REPLY_BYTES = 1024 * 1024
const DEFAULT_RETRY_AFTER_MS = 60_000

/** `GET /zones`: as many as were read when the key was stored. An empty list, or one that doesn't add up, proves nothing. */
export async function listZones(access: ProviderAccess): Promise<SiteList> {
  const zones = new Map<string, string>()
  let total = 0
  for (let page = 1; page <= Math.ceil(MAX_ZONES / ZONES_PER_PAGE); page += 1) {
    const { result, result_info } = await readPage(access, page)
    for (const { id, name } of result) if (zones.size < MAX_ZONES) zones.set(id, name)
    total = result_info?.total_count ?? Number.POSITIVE_INFINITY
    if (page >= (result_info?.total_pages ?? 1)) break
  }
  if (zones.size === 0) throw new ProviderFailure('provider_reply_invalid')
  const sites = [...zones].map(([providerRef, name]) => ({ providerRef, name, timeZone: ZONE_TIME }))
  return { sites, whole: zones.size === total }
}

async function readPage(access: ProviderAccess, page: number) {
  const answer = await askProvider(access, {
    method: 'GET',
    path: `/zones?page=${page}&per_page=${ZONES_PER_PAGE}`,
    maxReplyBytes: MAX_REPLY_BYTES,
    defaultRetryAfterMs: DEFAULT_RETRY_AFTER_MS,
  })
  const parsed = ZonesPage.safeParse(answer)
  if (!parsed.success) throw new ProviderFailure('provider_reply_invalid')
  return parsed.data
}
