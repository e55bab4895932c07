import type { CredentialGrade } from 'domain/contracts/functions.ts'
import { describeScope, gradeZones } from 'domain/providers/cloudflare/grade.ts'
import { TokenVerification, ZONES_PER_PAGE, type Zone, ZonesPage } from 'domain/providers/cloudflare/schemas.ts'
import type { TokenKind } from 'domain/providers/cloudflare/token.ts'
import type { z } from 'zod'
import { parseJson, readBounded } from '../_shared/bounded-body.ts'
import { Refused } from '../_shared/errors.ts'

export type Probe = {
  readonly zones: readonly Pick<Zone, 'id' | 'name'>[]
  readonly grade: CredentialGrade
  readonly scope: string
}
/** Asks one path of the provider's API, with the credential in the request's own header and nowhere else. */
type Ask = <Schema extends z.ZodType>(path: string, schema: Schema) => Promise<z.infer<Schema>>

const TIMEOUT_MS = 10_000
const MAX_ANSWER_BYTES = 1024 * 1024
/** More sites than this behind one token are not read; its scope then says so. */
export const MAX_ZONES = 50
const MAX_PAGES = 5

/** What the provider says about a token before it is stored: that it is active, which zones it sees, what it may do there. */
export async function probeCloudflare(token: string, kind: TokenKind, apiUrl: string): Promise<Probe> {
  const ask = createAsk(token, apiUrl)
  if (kind === 'user') await verifyUserToken(ask)
  const { zones, total } = await listZones(ask)
  if (zones.length === 0) throw new Refused('credential_without_zones')
  if (kind === 'account') await verifyAccountToken(ask, zones)
  if (kind === 'legacy') await verifyEitherToken(ask, zones)
  const unread = total > zones.length ? ` (the first ${zones.length} of ${total})` : ''
  return { zones, grade: gradeZones(zones), scope: `${describeScope(zones)}${unread}` }
}

async function verifyUserToken(ask: Ask): Promise<void> {
  requireActive(await ask('/user/tokens/verify', TokenVerification))
}

/** An account's token is verified below its account, which its own zones name. */
async function verifyAccountToken(ask: Ask, zones: readonly Zone[]): Promise<void> {
  const account = zones.find((zone) => zone.account !== undefined)?.account?.id
  if (account === undefined) throw new Refused('credential_rejected')
  requireActive(await ask(`/accounts/${account}/tokens/verify`, TokenVerification))
}

/** Before tokens had prefixes nothing told the kinds apart. */
async function verifyEitherToken(ask: Ask, zones: readonly Zone[]): Promise<void> {
  try {
    await verifyUserToken(ask)
  } catch (error) {
    if (!(error instanceof Refused) || error.code !== 'credential_rejected') throw error
    await verifyAccountToken(ask, zones)
  }
}

function requireActive({ result }: z.infer<typeof TokenVerification>): void {
  if (result.status !== 'active') throw new Refused('credential_rejected')
}

async function listZones(ask: Ask): Promise<{ zones: Zone[]; total: number }> {
  const zones = new Map<string, Zone>()
  let total = 0
  for (let page = 1, pages = 1; page <= Math.min(pages, MAX_PAGES) && zones.size < MAX_ZONES; page += 1) {
    const { result, result_info } = await ask(`/zones?page=${page}&per_page=${ZONES_PER_PAGE}`, ZonesPage)
    // Keyed by id: a page that repeats adds nothing.
    for (const zone of result) if (zones.size < MAX_ZONES) zones.set(zone.id, zone)
    pages = result_info?.total_pages ?? 1
    total = result_info?.total_count ?? zones.size
  }
  return { zones: [...zones.values()], total }
}

function createAsk(token: string, apiUrl: string): Ask {
  return async (path, schema) => {
    const { status, value } = await exchange(`${apiUrl.replace(/\/$/, '')}${path}`, token)
    if (status === 429) throw new Refused('provider_rate_limited')
    if (status === 400 || status === 401 || status === 403) throw new Refused('credential_rejected')
    const parsed = schema.safeParse(value)
    if (status !== 200 || !parsed.success) throw new Refused('provider_unreachable')
    return parsed.data
  }
}

async function exchange(url: string, token: string): Promise<{ status: number; value: unknown }> {
  try {
    const response = await fetch(url, {
      headers: { authorization: `Bearer ${token}`, accept: 'application/json' },
      signal: AbortSignal.timeout(TIMEOUT_MS),
      // A redirect would carry the token to another host.
      redirect: 'error',
    })
    const bytes = await readBounded(response.body, MAX_ANSWER_BYTES)
    return { status: response.status, value: bytes === undefined ? undefined : parseJson(bytes) }
  } catch {
    // A fetch error's text can quote a header that it did not like, and with it the token.
    throw new Refused('provider_unreachable')
  }
}
