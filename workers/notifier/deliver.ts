import { MailTenant, Occasion } from '../../domain/contracts/mail.ts'
import { composeMail } from '../../domain/mail/compose.ts'
import type { Mail, MailLinks } from '../../domain/mail/mail.ts'
import { log } from '../runtime/log.ts'
import type { ClaimedMail, Outbox } from './outbox.ts'
import type { SendOutcome } from './resend.ts'

/** What a run needs from outside; the same in workerd and in tests. */
export type DeliveryParts = {
  readonly outbox: Pick<Outbox, 'claim' | 'sent' | 'putOff' | 'giveUp'>
  readonly send: (id: string, to: string, mail: Mail) => Promise<SendOutcome>
  readonly clock: () => Promise<number>
  readonly pause: (ms: number) => Promise<void>
  readonly operatorEmail: string
  readonly links: MailLinks
}
export type DeliverySummary = {
  readonly sent: number
  readonly putOff: number
  readonly givenUp: number
}

/** Sent well within a claim's lease, even when each request runs into its time-out. */
const MAILS_PER_CLAIM = 10
/** More than this in one minute waits for the next. */
const CLAIMS_PER_RUN = 15
/** Resend takes 5 requests a second of a team, and we may not be its only key. */
const PAUSE_MS = 250
const FIRST_BACKOFF_MS = 60_000
const LONGEST_BACKOFF_MS = 60 * 60_000
/** About three days of tries, as mail servers have it. Resend forgets a key after one: a try of unknown outcome that old may arrive twice. */
const MAX_ATTEMPTS = 78

type Settled = 'sent' | 'putOff' | 'givenUp'
type Ending = { readonly settled: Settled; readonly throttledMs: number }

/** Claims what is due and sends it, one after another, until nothing is left or Resend says to wait. */
export async function deliverMail(parts: DeliveryParts): Promise<DeliverySummary> {
  const counts = { sent: 0, putOff: 0, givenUp: 0 }
  for (let round = 0; round < CLAIMS_PER_RUN; round += 1) {
    const claimed = await parts.outbox.claim(new Date(await parts.clock()), MAILS_PER_CLAIM)
    for (const [index, mail] of claimed.entries()) {
      const { settled, throttledMs } = await deliverOne(parts, mail)
      counts[settled] += 1
      if (throttledMs > 0) {
        const rest = claimed.slice(index + 1)
        const until = new Date((await parts.clock()) + throttledMs)
        for (const waiting of rest) await parts.outbox.putOff(waiting, until, 'mail_rate_limited')
        return { ...counts, putOff: counts.putOff + rest.length }
      }
      await parts.pause(PAUSE_MS)
    }
    if (claimed.length < MAILS_PER_CLAIM) break
  }
  return counts
}

async function deliverOne(parts: DeliveryParts, claimed: ClaimedMail): Promise<Ending> {
  const letter = letterOf(parts, claimed)
  if (typeof letter === 'string') return giveUp(parts, claimed, letter)
  const outcome = await parts.send(claimed.id, letter.to, letter.mail)
  switch (outcome.kind) {
    case 'sent':
      await parts.outbox.sent(claimed, new Date(await parts.clock()))
      return { settled: 'sent', throttledMs: 0 }
    case 'refused':
      return giveUp(parts, claimed, outcome.code)
    case 'throttled':
      return putOff(parts, claimed, outcome.code, outcome.waitMs)
    case 'later':
      return claimed.attempt < MAX_ATTEMPTS
        ? putOff(parts, claimed, outcome.code, 0)
        : giveUp(parts, claimed, outcome.code)
  }
}

type Letter = { readonly to: string; readonly mail: Mail }

/** The address and the text; or why there is none. A row that is not what its writers write is not sent in part. */
function letterOf(
  { operatorEmail, links }: DeliveryParts,
  claimed: ClaimedMail,
): Letter | 'recipient_gone' | 'mail_malformed' {
  const to = claimed.to_operator ? operatorEmail : claimed.address
  if (to === null) return 'recipient_gone'
  const occasion = Occasion.safeParse({ kind: claimed.kind, payload: claimed.payload })
  const tenant = MailTenant.safeParse({ id: claimed.tenant_id, name: claimed.tenant_name })
  if (!occasion.success || !(tenant.success || claimed.to_operator)) return 'mail_malformed'
  const mail = composeMail(occasion.data, tenant.success ? tenant.data : null, links)
  return mail === null ? 'mail_malformed' : { to, mail }
}

/** As long as Resend says, and longer the more often it failed: 1, 2, 4 ... 60 minutes. */
async function putOff(parts: DeliveryParts, claimed: ClaimedMail, code: string, toldMs: number): Promise<Ending> {
  const backoff = Math.min(LONGEST_BACKOFF_MS, FIRST_BACKOFF_MS * 2 ** Math.min(claimed.attempt - 1, 10))
  const waitMs = toldMs > 0 ? toldMs : backoff
  await parts.outbox.putOff(claimed, new Date((await parts.clock()) + waitMs), code)
  log('notifier', 'warn', 'mail.put_off', { row_id: claimed.id, code, attempt: claimed.attempt, ms: waitMs })
  return { settled: 'putOff', throttledMs: toldMs }
}

async function giveUp(parts: DeliveryParts, claimed: ClaimedMail, code: string): Promise<Ending> {
  await parts.outbox.giveUp(claimed, new Date(await parts.clock()), code)
  log('notifier', 'error', 'mail.given_up', { row_id: claimed.id, code, attempt: claimed.attempt })
  return { settled: 'givenUp', throttledMs: 0 }
}
