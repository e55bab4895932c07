import { z } from 'zod'
import { answerControl, type ControlActs } from '../control.ts'
import type { Answer } from '../loopback-server.ts'
import { webhookActs } from '../webhooks/control.ts'
import { KEY_SCOPE_NAMES } from './keys.ts'
import { ledgerOf } from './ledger.ts'
import type { SimulatorState } from './simulator.ts'
import { subscriptionBooksOf } from './subscription-books.ts'

/**
 * What a test may do to the simulated provider, beside what it may to any:
 * `POST keys` {account?, scope, mode?} -> {key}; `POST keys/revoke` {key}; `GET accounts`; `GET ledger?account=&from=&to=`;
 * `GET subscriptions?account=`: the books of them as they stand; and [webhooks](../webhooks/control.ts).
 */
const Mode = z.enum(['live', 'test'])
const Keys = z.strictObject({
  account: z.int().min(0).default(0),
  scope: z.enum(KEY_SCOPE_NAMES),
  mode: Mode.default('live'),
})
const Revoke = z.strictObject({ key: z.string() })
const AccountQuery = z.strictObject({
  account: z.coerce.number().int().min(0).default(0),
  mode: Mode.default('live'),
})
const LedgerQuery = AccountQuery.extend({
  from: z.iso.datetime(),
  to: z.iso.datetime(),
})

export function control(method: string, url: URL, body: string, state: SimulatorState): Answer {
  return answerControl(method, url, body, state, acts(state))
}

function acts({ keys, world, webhooks, now }: SimulatorState): ControlActs {
  const accountAt = (place: number) => {
    const account = world.accounts[place]
    if (account === undefined) throw new Error(`no account ${place}`)
    return account
  }
  return {
    ...webhookActs(webhooks, (account) => world.accounts[account]?.id ?? ''),
    'POST keys': (body) => ({ key: keys.issue(Keys.parse(body)) }),
    'POST keys/revoke': (body) => {
      keys.revoke(Revoke.parse(body).key)
      return {}
    },
    'GET accounts': () => ({ accounts: world.accounts }),
    'GET ledger': (_, query) => {
      const { account: place, mode, from, to } = LedgerQuery.parse(Object.fromEntries(query))
      const account = accountAt(place)
      return { ledger: ledgerOf(world, { account, mode, from: Date.parse(from), to: Date.parse(to) }) }
    },
    'GET subscriptions': (_, query) => {
      const { account, mode } = AccountQuery.parse(Object.fromEntries(query))
      return { books: subscriptionBooksOf(world.subscriptions, accountAt(account), mode, now()) }
    },
  }
}
