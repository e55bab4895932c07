import { createHash, createHmac, randomUUID } from 'node:crypto'
import type { Answer } from '../loopback-server.ts'
import type { Delivery, DeliveryManner, WebhookSender, WorldEvent } from '../webhooks/sender.ts'
import { invalid, list, pageRequest, refused, timestamp } from './rest.ts'
import { DAY_MS, HOUR_MS, type Mail, type MailEvent, type World } from './world.ts'

/** All of a mail's events come within 64 hours. */
const LONGEST_MS = 3 * DAY_MS
/** resend.com/docs/webhooks/retries-and-replays. */
const RETRIES = [5000, 5 * 60_000, 30 * 60_000, 2 * HOUR_MS, 5 * HOUR_MS, 10 * HOUR_MS, 10 * HOUR_MS]

export const RESEND_SCOPE = 'team'

export function resendManner(world: World): DeliveryManner {
  return {
    endpointId: randomUUID,
    /** docs.svix.com/receiving/verifying-payloads/how-manual. */
    sign: (secret, { id, body }, at) => {
      const time = Math.floor(at / 1000)
      const key = Buffer.from(secret.slice('whsec_'.length), 'base64')
      const mac = createHmac('sha256', key).update(`${id}.${time}.${body}`).digest('base64')
      return { 'svix-id': id, 'svix-timestamp': String(time), 'svix-signature': `v1,${mac}` }
    },
    retries: RETRIES,
    eventsOf: (_, from, to) => eventsOf(world, from, to),
  }
}

/** With `from < at <= to`, oldest first. */
export function eventsOf(world: World, from: number, to: number): WorldEvent[] {
  const found: WorldEvent[] = []
  const first = Math.floor((from - LONGEST_MS) / DAY_MS) * DAY_MS
  for (const domain of world.domains) {
    for (let day = first; day <= to; day += DAY_MS) {
      for (const mail of world.mails(domain, day)) {
        for (const event of mail.events) if (event.at > from && event.at <= to) found.push(eventOf(mail, event))
      }
    }
  }
  return found.sort((a, b) => a.at - b.at || (a.id < b.id ? -1 : 1))
}

function eventOf({ id, domain, to, subject, createdAt }: Mail, { name, at }: MailEvent): WorldEvent {
  const hash = createHash('sha256')
    .update(`${id} ${name}`)
    .digest('base64')
    .replaceAll(/[^A-Za-z0-9]/g, '')
  const data = {
    broadcast_id: null,
    created_at: timestamp(createdAt),
    email_id: id,
    from: `Orders <orders@${domain.name}>`,
    to: [to],
    subject,
    ...(name === 'bounced'
      ? { bounce: { message: 'The address does not exist.', subType: 'General', type: 'Permanent' } }
      : {}),
  }
  const type = `email.${name}`
  const body = JSON.stringify({ type, created_at: new Date(at).toISOString(), data })
  return { id: `msg_${hash.slice(0, 27)}`, type, at, body }
}

const WEBHOOK = /^\/webhooks\/([0-9a-f-]{36})(\/events(?:\/(msg_[A-Za-z0-9]+))?)?$/

/** `GET /webhooks`, `/webhooks/{id}`, `/webhooks/{id}/events` and `/webhooks/{id}/events/{event}`. */
export function answerWebhooks(path: string, query: URLSearchParams, sender: WebhookSender): Answer | undefined {
  if (path === '/webhooks')
    return list(
      sender.endpoints.map(({ id, url, createdAt }) => shownWebhook(id, url, createdAt)),
      false,
    )
  const [, id, events, eventId] = WEBHOOK.exec(path) ?? []
  if (id === undefined) return undefined
  const webhook = sender.endpoints.find((endpoint) => endpoint.id === id)
  if (webhook === undefined) return refused(404, 'not_found', 'Webhook not found')
  if (events === undefined) {
    return { status: 200, body: { object: 'webhook', ...shownWebhook(webhook.id, webhook.url, webhook.createdAt) } }
  }
  const newestFirst = sender.of(webhook).toReversed()
  if (eventId === undefined) return eventList(newestFirst, query)
  const delivery = newestFirst.find(({ event }) => event.id === eventId)
  return delivery === undefined ? refused(404, 'not_found', 'Event not found') : eventDetail(delivery)
}

function shownWebhook(id: string, endpoint: string, createdAt: number) {
  const events = ['sent', 'delivered', 'delivery_delayed', 'bounced', 'complained', 'suppressed']
  return {
    id,
    endpoint,
    events: events.map((name) => `email.${name}`),
    status: 'enabled',
    created_at: timestamp(createdAt),
  }
}

/** `before` is not supported, says Resend. */
function eventList(newestFirst: readonly Delivery[], query: URLSearchParams): Answer {
  const page = pageRequest(query)
  if ('status' in page) return page
  if (page.before !== null) return invalid('The `before` parameter is not supported for this endpoint.')
  const place = newestFirst.findIndex(({ event }) => event.id === page.after)
  if (page.after !== null && place === -1) return invalid('The pagination cursor is not known.')
  const rest = newestFirst.slice(place + 1)
  return list(rest.slice(0, page.limit).map(shownEvent), rest.length > page.limit)
}

function shownEvent({ event, status }: Delivery) {
  return { id: event.id, type: event.type, created_at: new Date(event.at).toISOString(), status }
}

function eventDetail(delivery: Delivery): Answer {
  const { event, nextAt } = delivery
  const next_attempt_at = nextAt === null ? null : new Date(nextAt).toISOString()
  const body = {
    object: 'webhook_event',
    ...shownEvent(delivery),
    next_attempt_at,
    payload: JSON.parse(event.body) as unknown,
  }
  return { status: 200, body }
}
