import { z } from 'zod'
import { answerControl, type ControlActs } from '../control.ts'
import type { Answer } from '../loopback-server.ts'
import { webhookActs } from '../webhooks/control.ts'
import { PERMISSIONS } from './keys.ts'
import type { SimulatorState } from './simulator.ts'
import { RESEND_SCOPE } from './webhooks.ts'
import { DAY_MS } from './world.ts'

/**
 * What a test may do to the simulated provider, beside what it may to any: `POST keys` {permission} -> {key}; `POST keys/revoke` {key};
 * `POST retention` {days}; `GET domains`; and [webhooks](../webhooks/control.ts).
 */
const Keys = z.strictObject({ permission: z.enum(PERMISSIONS) })
const Revoke = z.strictObject({ key: z.string() })
const Retention = z.strictObject({ days: z.int().min(1).max(3650) })

export function control(method: string, url: URL, body: string, state: SimulatorState): Answer {
  return answerControl(method, url, body, state, acts(state))
}

function acts(state: SimulatorState): ControlActs {
  const { keys, world, webhooks } = state
  return {
    ...webhookActs(webhooks, () => RESEND_SCOPE),
    'POST keys': (body) => ({ key: keys.issue(Keys.parse(body).permission) }),
    'POST keys/revoke': (body) => {
      keys.revoke(Revoke.parse(body).key)
      return {}
    },
    'POST retention': (body) => {
      state.retentionMs = Retention.parse(body).days * DAY_MS
      return {}
    },
    'GET domains': () => ({ domains: world.domains.map(({ id, name }) => ({ id, name })) }),
  }
}
