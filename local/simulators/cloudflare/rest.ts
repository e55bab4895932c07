import type { Answer } from '../loopback-server.ts'
import { type Grant, TOKEN_SCOPES } from './tokens.ts'

/** Cloudflare's REST envelope. */
export function succeeded(result: unknown, extra: Record<string, unknown> = {}): Answer {
  return { status: 200, body: { result, success: true, errors: [], messages: [], ...extra } }
}

export function refused(status: number, code: number, message: string, headers?: Record<string, string>): Answer {
  return { status, body: { success: false, errors: [{ code, message }], messages: [], result: null }, headers }
}

/** Which refusal a token that opens nothing gets depends on the route, as at Cloudflare. */
export function wrongToken(path: string): Answer {
  if (path.endsWith('/tokens/verify')) return refused(401, 1000, 'Invalid API Token')
  if (path === '/graphql') return refused(403, 10000, 'Authentication error')
  return refused(403, 9109, 'Invalid access token')
}

export function malformedAuthorization(): Answer {
  const error = {
    code: 6003,
    message: 'Invalid request headers',
    error_chain: [{ code: 6111, message: 'Invalid format for Authorization header' }],
  }
  return { status: 400, body: { success: false, errors: [error], messages: [], result: null } }
}

const VERIFY_ACCOUNT = /^\/accounts\/([0-9a-f]{32})\/tokens\/verify$/

export function answerRest(path: string, query: URLSearchParams, grant: Grant): Answer {
  const account = VERIFY_ACCOUNT.exec(path)?.[1]
  if (path === '/user/tokens/verify') {
    // An account's token belongs to no user, so this route does not know it.
    return grant.kind === 'user' ? verified(grant) : wrongToken(path)
  }
  if (account !== undefined) {
    const isOwn = grant.kind === 'account' && grant.zones.some(({ accountId }) => accountId === account)
    return isOwn ? verified(grant) : wrongToken(path)
  }
  if (path === '/zones') return zones(query, grant)
  return refused(404, 7003, `Could not route to ${path}, perhaps your object identifier is invalid?`)
}

function verified(grant: Grant): Answer {
  const messages = [{ code: 10000, message: 'This API Token is valid and active', type: null }]
  return succeeded({ id: grant.id, status: 'active' }, { messages })
}

const PER_PAGE = { least: 5, usual: 20, most: 50 }

function zones(query: URLSearchParams, grant: Grant): Answer {
  const page = Number(query.get('page') ?? 1)
  const perPage = Number(query.get('per_page') ?? PER_PAGE.usual)
  if (!Number.isInteger(page) || page < 1) return refused(400, 1068, 'Invalid page')
  if (!Number.isInteger(perPage) || perPage < PER_PAGE.least || perPage > PER_PAGE.most) {
    return refused(400, 1068, 'Invalid per_page')
  }
  const listed = grant.zones.slice((page - 1) * perPage, page * perPage).map((zone) => ({
    id: zone.id,
    name: zone.name,
    status: 'active',
    paused: false,
    type: 'full',
    account: { id: zone.accountId, name: 'Northwind agency' },
    plan: { id: 'business', name: 'Business Website' },
    ...(TOKEN_SCOPES[grant.scope] === undefined ? {} : { permissions: TOKEN_SCOPES[grant.scope] }),
  }))
  const result_info = {
    page,
    per_page: perPage,
    count: listed.length,
    total_count: grant.zones.length,
    total_pages: Math.ceil(grant.zones.length / perPage),
  }
  return succeeded(listed, { result_info })
}
