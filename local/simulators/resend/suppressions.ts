import type { Answer } from '../loopback-server.ts'
import { invalid, list, pageRequest, refused, timestamp } from './rest.ts'
import { DAY_MS, type Mail, type World } from './world.ts'

const SUPPRESSION = /^\/suppressions\/([^/]{1,320})$/
/** How far back the list goes: whoever bounced or complained before that was taken off it long ago. */
const KEPT_MS = 30 * DAY_MS

type Suppression = {
  readonly id: string
  readonly email: string
  readonly origin: 'bounce' | 'complaint'
  readonly source_id: string
  readonly at: number
}

/** The team's list: everybody whose mail bounced for good or was complained about, but for those who were taken off it. */
export class SuppressionList {
  readonly #removed = new Set<string>()

  answer(method: string, { pathname, searchParams }: URL, world: World, now: number): Answer | undefined {
    if (method === 'GET' && pathname === '/suppressions') return this.#list(searchParams, world, now)
    const wanted = SUPPRESSION.exec(pathname)?.[1]
    if (wanted === undefined || (method !== 'GET' && method !== 'DELETE')) return undefined
    const name = decodeURIComponent(wanted)
    const found = this.#all(world, now).find(({ id, email }) => id === name || email === name.toLowerCase())
    if (found === undefined) return refused(404, 'not_found', 'Suppression not found')
    if (method === 'GET') return { status: 200, body: { object: 'suppression', ...show(found) } }
    this.#removed.add(found.id)
    return { status: 200, body: { object: 'suppression', id: found.id, deleted: true } }
  }

  #list(query: URLSearchParams, world: World, now: number): Answer {
    const page = pageRequest(query)
    if ('status' in page) return page
    const origin = query.get('origin')
    if (origin !== null && !['bounce', 'complaint', 'manual'].includes(origin))
      return invalid('The `origin` is not known.')
    const all = this.#all(world, now).filter((each) => origin === null || each.origin === origin)
    const cursor = page.after ?? page.before
    const at = all.findIndex(({ id }) => id === cursor)
    if (cursor !== null && at === -1) return invalid('The pagination cursor is not known.')
    const chosen = page.before === null ? all.slice(at + 1) : all.slice(0, at).slice(-page.limit)
    const isCut = page.before === null ? chosen.length > page.limit : at > page.limit
    return list(chosen.slice(0, page.limit).map(show), isCut)
  }

  /** Newest first. */
  #all(world: World, now: number): Suppression[] {
    const found: Suppression[] = []
    for (let day = Math.floor((now - KEPT_MS) / DAY_MS) * DAY_MS; day <= now; day += DAY_MS) {
      for (const domain of world.domains) {
        for (const mail of world.mails(domain, day)) found.push(...suppressionsOf(mail, now))
      }
    }
    return found.filter(({ id }) => !this.#removed.has(id)).sort((a, b) => b.at - a.at || (a.id < b.id ? -1 : 1))
  }
}

function suppressionsOf({ id, to, events }: Mail, now: number): Suppression[] {
  const cause = events.find(({ name, at }) => (name === 'bounced' || name === 'complained') && at <= now)
  if (cause === undefined) return []
  // The mail's own id with another version: one for each.
  const own = `${id.slice(0, 14)}7${id.slice(15)}`
  const origin = cause.name === 'bounced' ? 'bounce' : 'complaint'
  return [{ id: own, email: to, origin, source_id: id, at: cause.at }]
}

function show({ at, ...suppression }: Suppression) {
  return { ...suppression, created_at: timestamp(at) }
}
