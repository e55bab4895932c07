import type { z } from 'zod'
import { failure, type Result, success } from '../../result.ts'
import type { Ask, Grading, Probe, ProbeRefusal, ProbeResult } from '../grade.ts'
import { describeScope, excessOf, gradeZones, permissionsOf } from './grade.ts'
import { TokenVerification, ZONES_PER_PAGE, type Zone, ZonesPage } from './schemas.ts'
import { judgeTokenShape, type TokenKind } from './token.ts'

/** More sites than this behind one token are not read; its scope then says so. */
export const MAX_ZONES = 50
const MAX_PAGES = 5

type Zones = { readonly zones: readonly Zone[]; readonly total: number }

/** Zones have no time zone of their own; Cloudflare's days are UTC days. */
export const ZONE_TIME = 'UTC'

export const cloudflareGrading: Grading = {
  judgeShape: (secret) => {
    const kind = judgeTokenShape(secret)
    return kind.ok ? success((ask) => probe(readWith(ask), kind.value)) : kind
  },
}

async function probe(read: Read, kind: TokenKind): Promise<ProbeResult> {
  if (kind === 'user') {
    const active = await verifyUserToken(read)
    if (!active.ok) return active
  }
  const listed = await listZones(read)
  if (!listed.ok) return listed
  const { zones } = listed.value
  if (zones.length === 0) return failure('credential_without_zones')
  if (kind !== 'user') {
    const active = await (kind === 'account' ? verifyAccountToken(read, zones) : verifyEitherToken(read, zones))
    if (!active.ok) return active
  }
  return success(judged(listed.value))
}

type Read = <Schema extends z.ZodType>(path: string, schema: Schema) => Promise<Result<z.output<Schema>, ProbeRefusal>>

function readWith(ask: Ask): Read {
  return async (path, schema) => {
    const answer = await ask({ method: 'GET', path })
    if (!answer.ok) return answer
    const { status, value } = answer.value
    if (status === 429) return failure('provider_rate_limited')
    if (status === 400 || status === 401 || status === 403) return failure('credential_rejected')
    const parsed = schema.safeParse(value)
    return status === 200 && parsed.success ? success(parsed.data) : failure('provider_unreachable')
  }
}

function judged({ zones, total }: Zones): Probe {
  const unread = total > zones.length ? ` (the first ${zones.length} of ${total})` : ''
  return {
    sites: zones.map(({ id, name }) => ({ id, name, timeZone: ZONE_TIME })),
    grade: gradeZones(zones),
    scope: `${describeScope(zones)}${unread}`,
    can: permissionsOf(zones),
    excess: excessOf(zones),
  }
}

type Verified = Promise<Result<null, ProbeRefusal>>

async function verifyUserToken(read: Read): Verified {
  return requireActive(read, '/user/tokens/verify')
}

/** An account's token is verified below its account, which its own zones name. */
async function verifyAccountToken(read: Read, zones: readonly Zone[]): Verified {
  const account = zones.find((zone) => zone.account !== undefined)?.account?.id
  return account === undefined
    ? failure('credential_rejected')
    : requireActive(read, `/accounts/${account}/tokens/verify`)
}

/** Before tokens had prefixes nothing told the kinds apart. */
async function verifyEitherToken(read: Read, zones: readonly Zone[]): Verified {
  const asUser = await verifyUserToken(read)
  return asUser.ok || asUser.code !== 'credential_rejected' ? asUser : verifyAccountToken(read, zones)
}

async function requireActive(read: Read, path: string): Verified {
  const verified = await read(path, TokenVerification)
  if (!verified.ok) return verified
  return verified.value.result.status === 'active' ? success(null) : failure('credential_rejected')
}

async function listZones(read: Read): Promise<Result<Zones, ProbeRefusal>> {
  const zones = new Map<string, Zone>()
  let total = 0
  for (let page = 1, pages = 1; page <= Math.min(pages, MAX_PAGES) && zones.size < MAX_ZONES; page += 1) {
    const listed = await read(`/zones?page=${page}&per_page=${ZONES_PER_PAGE}`, ZonesPage)
    if (!listed.ok) return listed
    const { result, result_info } = listed.value
    // Keyed by id: a page that repeats adds nothing.
    for (const zone of result) if (zones.size < MAX_ZONES) zones.set(zone.id, zone)
    pages = result_info?.total_pages ?? 1
    total = result_info?.total_count ?? zones.size
  }
  return success({ zones: [...zones.values()], total })
}
