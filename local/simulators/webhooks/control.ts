import { z } from 'zod'
import type { ControlActs } from '../control.ts'
import { MishapShares } from './mishaps.ts'
import type { Delivery, Scope, WebhookEndpoint, WebhookSender } from './sender.ts'

const Register = z.strictObject({
  url: z.url(),
  secret: z.string().startsWith('whsec_'),
  account: z.int().min(0).default(0),
})

/**
 * `POST webhooks` {url, secret, account?} registers an address, as a user does in the provider's dashboard; `GET webhooks`;
 * `GET webhooks/deliveries`: each with its attempts and their answers; `POST webhooks/mishaps` {dropped?, late?, duplicated?, reordered?, forged?}, in
 * shares of the events from then on.
 */
export function webhookActs(sender: WebhookSender, scopeOf: (account: number) => Scope): ControlActs {
  return {
    'POST webhooks': (body) => {
      const { url, secret, account } = Register.parse(body)
      return shown(sender.register({ url, secret, scope: scopeOf(account) }))
    },
    'GET webhooks': () => ({ webhooks: sender.endpoints.map(shown) }),
    'GET webhooks/deliveries': () => ({
      deliveries: sender.deliveries.map(described),
      forgeries: sender.forgeries,
    }),
    'POST webhooks/mishaps': (body) => {
      sender.shares = MishapShares.parse(body)
      return {}
    },
  }
}

function shown({ id, url, createdAt }: WebhookEndpoint) {
  return { id, url, created_at: createdAt }
}

function described({ endpoint, event, mishaps, attempts, status, nextAt }: Delivery) {
  const { id, type, at } = event
  return { webhook: endpoint.id, event: id, type, at, mishaps: [...mishaps], attempts, status, next_at: nextAt }
}
