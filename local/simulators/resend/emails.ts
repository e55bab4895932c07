import type { Answer } from '../loopback-server.ts'
import { invalid, list, pageRequest, refused, timestamp } from './rest.ts'
import { DAY_MS, type Mail, WORLD_BEGINS, type World } from './world.ts'

const EMAIL = /^\/emails\/([0-9a-f-]{36})$/

export function answerEmails(path: string, query: URLSearchParams, world: World, now: number): Answer | undefined {
  if (path === '/emails') return emailList(query, world, now)
  const id = EMAIL.exec(path)?.[1]
  if (id === undefined) return undefined
  const mail = world.mail(id)
  if (mail === undefined || mail.createdAt > now) return refused(404, 'not_found', 'Email not found')
  const text = `Thank you. ${mail.subject} is on its way.`
  return { status: 200, body: { object: 'email', ...summary(mail, now), html: `<p>${text}</p>`, text } }
}

/** Newest first; `before` gives the page that ends just above its mail. */
function emailList(query: URLSearchParams, world: World, now: number): Answer {
  const page = pageRequest(query)
  if ('status' in page) return page
  const cursor = page.after ?? page.before
  const mail = cursor === null ? undefined : world.mail(cursor)
  if (cursor !== null && (mail === undefined || mail.createdAt > now))
    return invalid('The pagination cursor is not known.')
  const newer = page.before !== null
  const found = take(mailsFrom(world, mail, newer ? 1 : -1, now), page.limit + 1)
  const shown = found.slice(0, page.limit).map((one) => summary(one, now))
  return list(newer ? shown.reverse() : shown, found.length > page.limit)
}

/** From `start`, which is left out, or from the newest, in one direction of time. */
function* mailsFrom(world: World, start: Mail | undefined, step: 1 | -1, now: number): Generator<Mail> {
  const today = Math.floor(now / DAY_MS) * DAY_MS
  const first = start === undefined ? today : Math.floor(start.createdAt / DAY_MS) * DAY_MS
  for (let day = first; day <= today && day >= WORLD_BEGINS; day += step * DAY_MS) {
    const mails = world.domains
      .flatMap((domain) => world.mails(domain, day))
      .filter(({ createdAt }) => createdAt <= now)
    const ordered = mails.sort((a, b) => step * compare(a, b))
    for (const mail of ordered) if (start === undefined || step * compare(mail, start) > 0) yield mail
  }
}

function compare(a: Mail, b: Mail): number {
  if (a.createdAt !== b.createdAt) return a.createdAt - b.createdAt
  return a.id === b.id ? 0 : a.id < b.id ? -1 : 1
}

function take<Value>(values: Iterable<Value>, count: number): Value[] {
  const taken: Value[] = []
  for (const value of values) {
    if (taken.length === count) break
    taken.push(value)
  }
  return taken
}

function summary({ id, domain, to, subject, createdAt, events }: Mail, now: number) {
  const happened = events.filter(({ at }) => at <= now)
  return {
    id,
    to: [to],
    from: `Orders <orders@${domain.name}>`,
    created_at: timestamp(createdAt),
    subject,
    bcc: null,
    cc: null,
    reply_to: null,
    last_event: happened.at(-1)?.name ?? 'queued',
    scheduled_at: null,
  }
}
