import { failure, type Result, success } from '../../result.ts'
import type { Ask, Grading, Probe, ProbeRefusal } from '../grade.ts'
import { describeScope, excessOf, gradeZones, permissionsOf } from './grade.ts'
import { TokenVerification, ZONES_PER_PAGE, type Zone, ZonesPage } from './schemas.ts'
import { judgeTokenShape, type TokenKind } from './token.ts'

/** More sites than this behind one token are not read; its scope then says so. */
export const MAX_ZONES = 50
const MAX_PAGES = 5

type Zones = { readonly zones: readonly Zone[]; readonly total: number }

export const cloudflareGrading: Grading<TokenKind> = {
  judgeShape: judgeTokenShape,
  probe: async (ask, kind) => {
    if (kind === 'user') {
      const active = await verifyUserToken(ask)
      if (!active.ok) return active
    }
    const listed = await listZones(ask)
    if (!listed.ok) return listed
    const { zones } = listed.value
    if (zones.length === 0) return failure('credential_without_zones')
    if (kind !== 'user') {
      const active = await (kind === 'account' ? verifyAccountToken(ask, zones) : verifyEitherToken(ask, zones))
      if (!active.ok) return active
    }
    return success(judged(listed.value))
  },
}

function judged({ zones, total }: Zones): Probe {
  const unread = total > zones.length ? ` (the first ${zones.length} of ${total})` : ''
  return {
    sites: zones.map(({ id, name }) => ({ id, name })),
    grade: gradeZones(zones),
    scope: `${describeScope(zones)}${unread}`,
    can: permissionsOf(zones),
    excess: excessOf(zones),
  }
}

type Verified = Promise<Result<null, ProbeRefusal>>

async function verifyUserToken(ask: Ask): Verified {
  return requireActive(ask, '/user/tokens/verify')
}

/** An account's token is verified below its account, which its own zones name. */
async function verifyAccountToken(ask: Ask, zones: readonly Zone[]): Verified {
  const account = zones.find((zone) => zone.account !== undefined)?.account?.id
  return account === undefined
    ? failure('credential_rejected')
    : requireActive(ask, `/accounts/${account}/tokens/verify`)
}

/** Before tokens had prefixes nothing told the kinds apart. */
async function verifyEitherToken(ask: Ask, zones: readonly Zone[]): Verified {
  const asUser = await verifyUserToken(ask)
  return asUser.ok || asUser.code !== 'credential_rejected' ? asUser : verifyAccountToken(ask, zones)
}

async function requireActive(ask: Ask, path: string): Verified {
  const verified = await ask(path, TokenVerification)
  if (!verified.ok) return verified
  return verified.value.result.status === 'active' ? success(null) : failure('credential_rejected')
}

async function listZones(ask: Ask): Promise<Result<Zones, ProbeRefusal>> {
  const zones = new Map<string, Zone>()
  let total = 0
  for (let page = 1, pages = 1; page <= Math.min(pages, MAX_PAGES) && zones.size < MAX_ZONES; page += 1) {
    const listed = await ask(`/zones?page=${page}&per_page=${ZONES_PER_PAGE}`, ZonesPage)
    if (!listed.ok) return listed
    const { result, result_info } = listed.value
    // Keyed by id: a page that repeats adds nothing.
    for (const zone of result) if (zones.size < MAX_ZONES) zones.set(zone.id, zone)
    pages = result_info?.total_pages ?? 1
    total = result_info?.total_count ?? zones.size
  }
  return success({ zones: [...zones.values()], total })
}
