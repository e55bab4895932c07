import Stripe from 'stripe'
import { Webhook } from 'svix'
import type { WebhookProvider } from '../../domain/webhooks/judge.ts'
import type { Delivery } from './webhook-deliveries.ts'

type ToSign = { readonly secret: string; readonly body: string; readonly id: string; readonly now: number }

/** A provider's own library, as its customers' servers have it: what signs, and whether it would take a delivery at a time. */
export type Signer = {
  readonly sign: (event: ToSign) => Delivery
  readonly accepts: (delivery: Delivery, secret: string, now: number) => boolean
}

const TOLERANCE_SECONDS = 300

export const SIGNERS: { readonly [Name in WebhookProvider]: Signer } = {
  stripe: {
    sign: ({ secret, body, now }) => {
      const timestamp = Math.floor(now / 1000)
      const header = Stripe.webhooks.generateTestHeaderString({ payload: body, secret, timestamp })
      return { headers: { 'stripe-signature': header }, body }
    },
    accepts: ({ headers, body }, secret, now) =>
      isTaken(() =>
        Stripe.webhooks.signature?.verifyHeader(
          body,
          headers['stripe-signature'] ?? '',
          secret,
          TOLERANCE_SECONDS,
          undefined,
          now,
        ),
      ),
  },
  /** Judges by the clock of its process: a test sets that clock. */
  resend: {
    sign: ({ secret, body, id, now }) => {
      const at = new Date(now)
      const headers = {
        'svix-id': id,
        'svix-timestamp': String(Math.floor(now / 1000)),
        'svix-signature': new Webhook(secret).sign(id, at, body),
      }
      return { headers, body }
    },
    accepts: ({ headers, body }, secret) => isTaken(() => new Webhook(secret).verify(body, headers)),
  },
}

function isTaken(verify: () => unknown): boolean {
  try {
    verify()
    return true
  } catch {
    return false
  }
}
