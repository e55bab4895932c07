import { z } from 'zod'
import { FaultRequest } from '../cloudflare/faults.ts'
import type { Answer } from './answers.ts'
import { KEY_SCOPE_NAMES } from './keys.ts'
import { ledgerOf } from './ledger.ts'
import type { SimulatorState } from './simulator.ts'

/**
 * What a test may do to the simulated provider:
 * `POST keys` {account?, scope, mode?} -> {key}; `POST keys/revoke` {key}; `GET|POST|DELETE faults`; `GET|POST clock` {offset_ms};
 * `GET accounts`; `GET requests` (`?authorization=shown`); `GET ledger?account=&from=&to=`.
 */
const Mode = z.enum(['live', 'test'])
const Keys = z.strictObject({
  account: z.int().min(0).default(0),
  scope: z.enum(KEY_SCOPE_NAMES),
  mode: Mode.default('live'),
})
const Revoke = z.strictObject({ key: z.string() })
const Clock = z.strictObject({ offset_ms: z.int() })
const LedgerQuery = z.strictObject({
  account: z.coerce.number().int().min(0).default(0),
  mode: Mode.default('live'),
  from: z.iso.datetime(),
  to: z.iso.datetime(),
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
    case 'POST keys':
      return { key: state.keys.issue(Keys.parse(body)) }
    case 'POST keys/revoke':
      state.keys.revoke(Revoke.parse(body).key)
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
    case 'GET accounts':
      return { accounts: state.world.accounts }
    case 'GET requests':
      return { requests: requests(url.searchParams.get('authorization') === 'shown', state) }
    case 'GET ledger': {
      const { account: place, mode, from, to } = LedgerQuery.parse(Object.fromEntries(url.searchParams))
      const account = state.world.accounts[place]
      if (account === undefined) throw new Error(`no account ${place}`)
      return { ledger: ledgerOf(state.world, { account, mode, from: Date.parse(from), to: Date.parse(to) }) }
    }
    default:
      throw new Error(`no control route ${act}`)
  }
}

function requests(withAuthorization: boolean, state: SimulatorState): unknown {
  if (withAuthorization) return state.requests
  return state.requests.map((seen) => ({ ...seen, authorization: seen.authorization === '' ? '' : '[redacted]' }))
}
