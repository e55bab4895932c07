import { z } from 'zod'
import { FaultRequest } from '../cloudflare/faults.ts'
import { PERMISSIONS } from './keys.ts'
import type { Answer } from './rest.ts'
import type { SimulatorState } from './simulator.ts'
import { DAY_MS } from './world.ts'

/**
 * What a test may do to the simulated provider: `POST keys` {permission} -> {key}; `POST keys/revoke` {key}; `POST faults`,
 * `DELETE faults`; `POST clock` {offset_ms}; `POST retention` {days}; `GET domains`; `GET requests`.
 */
const Keys = z.strictObject({ permission: z.enum(PERMISSIONS) })
const Revoke = z.strictObject({ key: z.string() })
const Clock = z.strictObject({ offset_ms: z.int() })
const Retention = z.strictObject({ days: z.int().min(1).max(3650) })

export function answerControl(method: string, url: URL, body: string, state: SimulatorState): Answer {
  const act = `${method} ${url.pathname.split('/').slice(2).join('/')}`
  try {
    return { status: 200, body: perform(act, body === '' ? {} : JSON.parse(body), state) }
  } catch (error) {
    return { status: 400, body: { error: { code: 'control_refused', message: String(error) } } }
  }
}

function perform(act: string, body: unknown, state: SimulatorState): unknown {
  switch (act) {
    case 'POST keys':
      return { key: state.keys.issue(Keys.parse(body).permission) }
    case 'POST keys/revoke':
      state.keys.revoke(Revoke.parse(body).key)
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
    case 'POST retention':
      state.retentionMs = Retention.parse(body).days * DAY_MS
      return {}
    case 'GET domains':
      return { domains: state.world.domains.map(({ id, name }) => ({ id, name })) }
    case 'GET requests':
      return { requests: state.requests }
    default:
      throw new Error(`no control route ${act}`)
  }
}
