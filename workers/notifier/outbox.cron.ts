import { invitationToken } from '../../domain/accounts/invitation-token.ts'
import { Secret } from '../../domain/secret.ts'
import { parseBindings } from '../runtime/bindings.ts'
import { currentTime } from '../runtime/clock.ts'
import { withDatabase } from '../runtime/database.ts'
import { log } from '../runtime/log.ts'
import { Bindings } from './bindings.ts'
import { deliverMail } from './deliver.ts'
import { Outbox } from './outbox.ts'
import { sendMail } from './resend.ts'

/** Each minute: what is due leaves the outbox. */
export default {
  async fetch(): Promise<Response> {
    return new Response(null, { status: 404 })
  },

  async scheduled(_controller: ScheduledController, env: unknown, context: ExecutionContext): Promise<void> {
    const { DB, RESEND_API_URL, RESEND_API_KEY, MAIL_FROM, OPERATOR_EMAIL, GATEWAY_URL, INVITATION_KEY, ...rest } =
      parseBindings('notifier', Bindings, env)
    const invitationKey = Secret.fromText(INVITATION_KEY)
    const resend = {
      apiUrl: RESEND_API_URL,
      apiKey: Secret.fromText(RESEND_API_KEY),
      from: MAIL_FROM,
      fetch: (url: string, init: RequestInit) => fetch(url, init),
    }
    const { sent, putOff, givenUp } = await withDatabase(DB, context, (sql) =>
      deliverMail({
        outbox: new Outbox(sql),
        send: (id, to, mail) => sendMail(resend, id, to, mail),
        clock: () => currentTime(rest),
        pause: (ms) => new Promise((passed) => setTimeout(passed, ms)),
        operatorEmail: OPERATOR_EMAIL,
        links: {
          gatewayUrl: GATEWAY_URL,
          joinUrl: (id) => `${GATEWAY_URL}/join/#${invitationToken(invitationKey, id)}`,
        },
      }),
    )
    const outcome = `outbox: ${sent} sent, ${putOff} put off, ${givenUp} given up`
    log('notifier', putOff + givenUp === 0 ? 'info' : 'warn', outcome, { ok: putOff + givenUp === 0, count: sent })
  },
}
