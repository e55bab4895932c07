import { isTimeZone } from '../../calendar/days.ts'
import { failure, type Result, success } from '../../result.ts'
import type { Ask, Grading, ProbedSite, ProbeRefusal, ProbeResult, ProviderAnswer } from '../grade.ts'
import { judgeKeyShape, type KeyMode } from './key.ts'
import { isPermissionError, judgeWrite, namedAccount, namedPermission, WRITE_PROBES } from './permissions.ts'
import { Account, BalanceTransactions, STRIPE_VERSION } from './schemas.ts'
import { SUBSCRIPTION_EXPANSION, Subscriptions } from './subscriptions.ts'

/** Each list that the figures are read from, asked as a poll asks it, and what Stripe's page of a restricted key calls what it takes. */
const READS = [
  {
    path: '/v1/balance_transactions?limit=1',
    schema: BalanceTransactions,
    takes: ['Balance transaction sources: Read'],
  },
  {
    path: `/v1/subscriptions?${new URLSearchParams({ status: 'all', limit: '1', 'expand[]': SUBSCRIPTION_EXPANSION })}`,
    schema: Subscriptions,
    takes: ['Subscriptions: Read', 'Coupons: Read'],
  },
] as const
type Read = (typeof READS)[number]
const HEADERS = { 'stripe-version': STRIPE_VERSION, 'content-type': 'application/x-www-form-urlencoded' }
/** Stripe takes 25 requests a second of a key in test mode. */
const AT_ONCE = 6

export const stripeGrading: Grading = {
  judgeShape: (secret) => {
    const mode = judgeKeyShape(secret)
    return mode.ok ? success((ask) => probe(ask, mode.value)) : mode
  },
}

/** That it reads what the figures take, whose it is, and that it writes nothing: in this order, since the last takes many calls. */
async function probe(ask: Ask, mode: KeyMode): Promise<ProbeResult> {
  const account = await readAccount(ask, mode)
  if (!account.ok) return account
  const reads = await probeReads(ask)
  if (!reads.ok) return reads
  const writes = await probeWrites(ask)
  if (!writes.ok) return writes
  const { granted, unclear } = writes.value
  if (granted.length > 0) {
    return { ok: false, code: 'credential_can_write', permissions: granted.map((resource) => `${resource}: Write`) }
  }
  const { site, isRead } = account.value
  return success({
    sites: [site],
    grade: unclear.length === 0 ? 'read_only' : 'not_proven_read_only',
    scope: scopeOf(mode, isRead, unclear),
    can: ['read balance transactions', 'read subscriptions', 'read coupons', ...(isRead ? ['read account'] : [])],
    excess: [],
  })
}

function scopeOf(mode: KeyMode, isRead: boolean, unclear: readonly string[]): string {
  const days = isRead ? '' : '; days in UTC, since it may not read the account'
  const tried =
    unclear.length === 0
      ? `refused for writing ${WRITE_PROBES.length} kinds of objects`
      : `not proven for ${unclear.join(', ')}`
  return `${mode} mode: balance transactions, subscriptions; ${tried}${days}`
}

/** All that is missing is told at once: a key is made anew for each try. */
async function probeReads(ask: Ask): Promise<{ readonly ok: true } | Extract<ProbeResult, { ok: false }>> {
  const missing: string[] = []
  for (const read of READS) {
    const answer = await askOnce(ask, 'GET', read.path)
    if (!answer.ok) return answer
    if (isPermissionError(answer.value)) missing.push(...lacking(answer.value, read))
    else if (answer.value.status !== 200 || !read.schema.safeParse(answer.value.value).success) {
      return failure('provider_unreachable')
    }
  }
  if (missing.length === 0) return { ok: true }
  return { ok: false, code: 'credential_lacks_permission', permissions: missing }
}

/** Stripe names one that is missing; which of several that is, it says in words of its own. */
function lacking(answer: ProviderAnswer, { takes }: Read): readonly string[] {
  const named = namedPermission(answer)
  const [first, ...others] = takes
  if (named === undefined) return takes
  if (named === 'coupon_read') return others
  return [`${first} (${named})`, ...others]
}

type OwnAccount = { readonly site: ProbedSite; readonly isRead: boolean }

/** An account counts its live and its test money apart, and so are they two sites. */
async function readAccount(ask: Ask, mode: KeyMode): Promise<Result<OwnAccount, ProbeRefusal>> {
  const answer = await askOnce(ask, 'GET', '/v1/account')
  if (!answer.ok) return answer
  const isTest = mode === 'test'
  const siteOf = (id: string, name: string, timeZone: string) => ({
    id: isTest ? `${id}/test` : id,
    name: isTest ? `${name} (test mode)` : name,
    timeZone,
  })
  if (isPermissionError(answer.value)) {
    // Few keys may read it, and none needs to: its id is in the refusal itself.
    const id = namedAccount(answer.value)
    return id === undefined ? failure('credential_rejected') : success({ site: siteOf(id, id, 'UTC'), isRead: false })
  }
  const parsed = Account.safeParse(answer.value.value)
  if (answer.value.status !== 200 || !parsed.success) return failure('provider_unreachable')
  const { id, settings } = parsed.data
  const { display_name, timezone } = settings?.dashboard ?? {}
  const timeZone = typeof timezone === 'string' && isTimeZone(timezone) ? timezone : 'UTC'
  const name = display_name?.trim().slice(0, MAX_NAME)
  return success({ site: siteOf(id, name === undefined || name === '' ? id : name, timeZone), isRead: true })
}

const MAX_NAME = 200

type Writes = { readonly granted: readonly string[]; readonly unclear: readonly string[] }

async function probeWrites(ask: Ask): Promise<Result<Writes, ProbeRefusal>> {
  const granted: string[] = []
  const unclear: string[] = []
  for (let first = 0; first < WRITE_PROBES.length; first += AT_ONCE) {
    const some = WRITE_PROBES.slice(first, first + AT_ONCE)
    const answers = await Promise.all(some.map(({ path }) => askOnce(ask, 'POST', path)))
    for (const [index, answer] of answers.entries()) {
      if (!answer.ok) return answer
      const permission = judgeWrite(answer.value)
      const resource = some[index]?.resource ?? ''
      if (permission === 'granted') granted.push(resource)
      if (permission === 'unclear') unclear.push(resource)
    }
  }
  return success({ granted, unclear })
}

/** An update without a body: even of an object that were there it would change nothing. */
async function askOnce(ask: Ask, method: 'GET' | 'POST', path: string): Promise<Result<ProviderAnswer, ProbeRefusal>> {
  const answer = await ask({ method, path, headers: HEADERS })
  if (!answer.ok) return answer
  if (answer.value.status === 429) return failure('provider_rate_limited')
  if (answer.value.status === 401 && !isPermissionError(answer.value)) return failure('credential_rejected')
  return answer
}
