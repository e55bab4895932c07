import { z } from 'zod'
import { answerControl, type ControlActs } from '../control.ts'
import type { Answer } from '../loopback-server.ts'
import { DATASETS } from './datasets.ts'
import type { SimulatorState } from './simulator.ts'
import { TOKEN_KINDS, TOKEN_SCOPE_NAMES, type TokenKind, type TokenScope } from './tokens.ts'
import type { WorldZone } from './world.ts'

/**
 * What a test may do to the simulated provider, beside what it may to any:
 * `POST tokens` {scope, zones?, kind?} -> {token}; `POST tokens/revoke` {token}; `POST limits` {dataset, ...}; `GET zones`;
 * `POST zones` and `POST zones/remove` {name}.
 */
const names = <Name extends string>(list: readonly Name[]) => z.enum(list as [Name, ...Name[]])
const Tokens = z.strictObject({
  scope: names<TokenScope>(TOKEN_SCOPE_NAMES),
  zones: z.array(z.string()).optional(),
  kind: names<TokenKind>(Object.keys(TOKEN_KINDS) as TokenKind[]).optional(),
})
const Revoke = z.strictObject({ token: z.string() })
const ZoneName = z.strictObject({ name: z.string().regex(/^[a-z0-9.-]{3,253}$/) })
const Limits = z.strictObject({
  dataset: z.enum(DATASETS),
  enabled: z.boolean().optional(),
  notOlderThan: z.int().min(1).optional(),
  maxDuration: z.int().min(1).optional(),
  maxPageSize: z.int().min(1).optional(),
  maxNumberOfFields: z.int().min(1).optional(),
})

export function control(method: string, url: URL, body: string, state: SimulatorState): Answer {
  return answerControl(method, url, body, state, acts(state))
}

function acts({ tokens, limits, world }: SimulatorState): ControlActs {
  return {
    'POST tokens': (body) => ({ token: tokens.issue(Tokens.parse(body)) }),
    'POST tokens/revoke': (body) => {
      tokens.revoke(Revoke.parse(body).token)
      return {}
    },
    'POST limits': (body) => {
      const { dataset, ...changed } = Limits.parse(body)
      return Object.assign(limits[dataset], changed)
    },
    'GET zones': () => ({ zones: world.zones.filter((zone) => !world.isGone(zone)).map(named) }),
    'POST zones': (body) => named(world.add(ZoneName.parse(body).name)),
    'POST zones/remove': (body) => {
      world.remove(ZoneName.parse(body).name)
      return {}
    },
  }
}

function named({ id, name, accountId }: WorldZone) {
  return { id, name, account_id: accountId }
}
