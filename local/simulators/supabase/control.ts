import { z } from 'zod'
import { FaultRequest } from '../cloudflare/faults.ts'
import type { Answer } from './answers.ts'
import type { SimulatorState } from './simulator.ts'
import { TOKEN_SCOPES } from './tokens.ts'

/**
 * What a test may do to the simulated provider: `POST tokens` {scope} -> {token}; `POST tokens/revoke` {token}; `POST faults`,
 * `DELETE faults`; `POST clock` {offset_ms}; `POST status` {ref, status}; `GET projects`; `GET requests`
 * (`?authorization=shown`).
 */
const Tokens = z.strictObject({ scope: z.enum(TOKEN_SCOPES) })
const Revoke = z.strictObject({ token: z.string() })
const Clock = z.strictObject({ offset_ms: z.int() })
const Status = z.strictObject({
  ref: z.string(),
  status: z.enum(['INACTIVE', 'ACTIVE_HEALTHY', 'ACTIVE_UNHEALTHY', 'RESTORING', 'PAUSING', 'REMOVED']),
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
      return { token: state.tokens.issue(Tokens.parse(body).scope) }
    case 'POST tokens/revoke':
      state.tokens.revoke(Revoke.parse(body).token)
      return {}
    case 'POST faults':
      state.faults.add(FaultRequest.parse(body))
      return {}
    case 'DELETE faults':
      state.faults.clear()
      return {}
    case 'POST clock':
      state.clockOffset = Clock.parse(body).offset_ms
      return { now: state.now() }
    case 'POST status': {
      const { ref, status } = Status.parse(body)
      state.statuses.set(ref, status)
      return {}
    }
    case 'GET projects':
      return { projects: state.world.projects.map(({ ref, name }) => ({ ref, name })) }
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
