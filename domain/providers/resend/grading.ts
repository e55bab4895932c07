import { success } from '../../result.ts'
import type { Ask, Grading, Probe, ProbeResult } from '../grade.ts'
import { judgeKeyShape } from './key.ts'
import { ApiError, type Domain, DomainsPage, MAX_PAGE_ITEMS, RESTRICTED } from './schemas.ts'

/** More domains than this behind one key are not read; its scope then says so. */
const MAX_DOMAINS = 50
/** Resend has two permissions: all of its API, or sending alone, and sending alone cannot read. */
const FULL_ACCESS = ['full access']
/** So the least key that reads figures can do this too; no other one could be asked for. */
const BEYOND_READING = ['send mail', 'read mail', 'change domains', 'change contacts', 'make API keys']

export const resendGrading: Grading = {
  judgeShape: (secret) => {
    const shape = judgeKeyShape(secret)
    return shape.ok ? success(probe) : shape
  },
}

async function probe(ask: Ask): Promise<ProbeResult> {
  const answer = await ask({ method: 'GET', path: `/domains?limit=${MAX_PAGE_ITEMS}` })
  if (!answer.ok) return answer
  const { status, value } = answer.value
  if (status !== 200) return refused(status, value)
  const page = DomainsPage.safeParse(value)
  if (!page.success) return { ok: false, code: 'provider_unreachable' }
  const { data, has_more } = page.data
  if (data.length === 0) return { ok: false, code: 'credential_without_zones' }
  return { ok: true, value: judged(data, has_more) }
}

function refused(status: number, value: unknown): ProbeResult {
  if (status === 429) return { ok: false, code: 'provider_rate_limited' }
  if (status === 401 && ApiError.safeParse(value).data?.name === RESTRICTED) {
    return { ok: false, code: 'credential_lacks_permission', permissions: ['Full access'] }
  }
  const isRejected = status === 400 || status === 401 || status === 403
  return { ok: false, code: isRejected ? 'credential_rejected' : 'provider_unreachable' }
}

function judged(domains: readonly Domain[], hasMore: boolean): Probe {
  const read = domains.slice(0, MAX_DOMAINS)
  const isCut = hasMore || read.length < domains.length
  const counted = `${read.length} ${read.length === 1 ? 'domain' : 'domains'}`
  return {
    grade: 'over_scoped',
    scope: `${isCut ? `the first ${counted}` : counted}: full access, since Resend has no key that can only read`,
    can: FULL_ACCESS,
    excess: BEYOND_READING,
    sites: read.map(({ id, name }) => ({ id, name, timeZone: 'UTC' })),
  }
}
