import { z } from 'zod'
import { answerControl, type ControlActs } from '../control.ts'
import type { Answer } from '../loopback-server.ts'
import type { SimulatorState } from './simulator.ts'
import { TOKEN_SCOPES } from './tokens.ts'

/**
 * What a test may do to the simulated provider, beside what it may to any: `POST tokens` {scope} -> {token};
 * `POST tokens/revoke` {token}; `POST status` {ref, status}; `GET projects`.
 */
const Tokens = z.strictObject({ scope: z.enum(TOKEN_SCOPES) })
const Revoke = z.strictObject({ token: z.string() })
const Status = z.strictObject({
  ref: z.string(),
  status: z.enum(['INACTIVE', 'ACTIVE_HEALTHY', 'ACTIVE_UNHEALTHY', 'RESTORING', 'PAUSING', 'REMOVED']),
})

export function control(method: string, url: URL, body: string, state: SimulatorState): Answer {
  return answerControl(method, url, body, state, acts(state))
}

function acts({ tokens, statuses, world }: SimulatorState): ControlActs {
  return {
    'POST tokens': (body) => ({ token: tokens.issue(Tokens.parse(body).scope) }),
    'POST tokens/revoke': (body) => {
      tokens.revoke(Revoke.parse(body).token)
      return {}
    },
    'POST status': (body) => {
      const { ref, status } = Status.parse(body)
      statuses.set(ref, status)
      return {}
    },
    'GET projects': () => ({ projects: world.projects.map(({ ref, name }) => ({ ref, name })) }),
  }
}
