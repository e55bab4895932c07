import { z } from 'zod'
import { FaultRequest } from './faults.ts'
import { DATASETS } from './graphql.ts'
import type { Answer } from './rest.ts'
import type { SimulatorState } from './simulator.ts'
import { TOKEN_KINDS, TOKEN_SCOPE_NAMES, type TokenKind, type TokenScope } from './tokens.ts'

/**
 * What a test may do to the simulated provider:
 * `POST tokens` {scope, zones?, kind?} -> {token}; `POST tokens/revoke` {token}; `POST faults`, `DELETE faults`;
 * `POST clock` {offset_ms}; `POST limits` {dataset, ...}; `GET zones`; `GET requests` (`?authorization=shown`).
 */
const names = <Name extends string>(list: readonly Name[]) => z.enum(list as [Name, ...Name[]])
const Tokens = z.strictObject({
  scope: names<TokenScope>(TOKEN_SCOPE_NAMES),
  zones: z.array(z.string()).optional(),
  kind: names<TokenKind>(Object.keys(TOKEN_KINDS) as TokenKind[]).optional(),
})
const Revoke = z.strictObject({ token: z.string() })
const Clock = z.strictObject({ offset_ms: z.int() })
const Limits = z.strictObject({
  dataset: z.enum(DATASETS),
  enabled: z.boolean().optional(),
  notOlderThan: z.int().min(1).optional(),
  maxDuration: z.int().min(1).optional(),
  maxPageSize: z.int().min(1).optional(),
})

export function answerControl(method: string, url: URL, body: string, state: SimulatorState): Answer {
  const act = `${method} ${url.pathname.split('/').slice(2).join('/')}`
  try {
    return { status: 200, body: perform(act, url, body === '' ? {} : JSON.parse(body), state) }
  } catch (error) {
    return { status: 400, body: { error: { code: 'control_refused', message: String(error) } } }
  }
}

function perform(act: string, url: URL, body: unknown, state: SimulatorState): unknown {
  switch (act) {
    case 'POST tokens':
      return { token: state.tokens.issue(Tokens.parse(body)) }
    case 'POST tokens/revoke':
      state.tokens.revoke(Revoke.parse(body).token)
      return {}
    case 'GET faults':
      return { faults: state.faults.list() }
    case 'POST faults':
      state.faults.add(FaultRequest.parse(body))
      return {}
    case 'DELETE faults':
      state.faults.clear()
      return {}
    case 'GET clock':
      return { now: state.now() }
    case 'POST clock':
      state.clockOffset = Clock.parse(body).offset_ms
      return { now: state.now() }
    case 'POST limits': {
      const { dataset, ...changed } = Limits.parse(body)
      Object.assign(state.limits[dataset], changed)
      return state.limits[dataset]
    }
    case 'GET zones':
      return { zones: state.world.zones.map(({ id, name, accountId }) => ({ id, name, account_id: accountId })) }
    case 'GET requests':
      return { requests: requests(url.searchParams.get('authorization') === 'shown', state) }
    default:
      throw new Error(`no control route ${act}`)
  }
}

function requests(withAuthorization: boolean, state: SimulatorState): unknown {
  if (withAuthorization) return state.requests
  return state.requests.map((seen) => ({ ...seen, authorization: seen.authorization === '' ? '' : '[redacted]' }))
}
