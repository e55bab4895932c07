import type { z } from 'zod'
import {
  DayCounts,
  type Domain,
  DomainDetail,
  DomainsPage,
  EVENT_COUNTS,
  MAX_PAGE_ITEMS,
  Totals,
} from '../../../domain/providers/resend/schemas.ts'
import { EventDetail, EventsPage, WebhooksPage } from '../../../domain/providers/resend/webhooks.ts'
import { type ProviderAccess, ProviderFailure, type Range } from './provider.ts'
import { askProvider } from './request.ts'

const DAY_MS = 86_400_000
const MAX_REPLY_BYTES = 4 * 1024 * 1024
/** The window of Resend's rate limit: waited out when a refusal names no time. */
const DEFAULT_RETRY_AFTER_MS = 1000
/** An answer may be a quarter of an hour old (resend.com/docs/api-reference/emails/get-metrics), and say so. */
const OLDEST_ANSWER_MS = 30 * 60_000
const MAX_DOMAIN_PAGES = 5
const MAX_WEBHOOK_PAGES = 5
/** A request without one is refused. */
const HEADERS = { 'user-agent': 'flarewatch' }

/** Resend's REST API, read alone. Every way in which a call can fail leaves as a `ProviderFailure`. */
export class ResendClient {
  readonly #access: ProviderAccess

  constructor(access: ProviderAccess) {
    this.#access = withinTheSecond(access)
  }

  /** The team's domains, by id. */
  async domains(): Promise<ReadonlyMap<string, Domain>> {
    const found = new Map<string, Domain>()
    let after = ''
    for (let page = 0; page < MAX_DOMAIN_PAGES; page += 1) {
      const { data, has_more } = await this.#get(`/domains?limit=${MAX_PAGE_ITEMS}${after}`, DomainsPage)
      if (data.some(({ id }) => found.has(id))) throw new ProviderFailure('page_repeated')
      for (const domain of data) found.set(domain.id, domain)
      const last = data.at(-1)
      if (!has_more || last === undefined) return found
      after = `&after=${last.id}`
    }
    throw new ProviderFailure('provider_reply_too_large')
  }

  domain(id: string): Promise<DomainDetail> {
    return this.#get(`/domains/${id}`, DomainDetail)
  }

  /** The webhook that delivers to an address of ours, by its path. */
  async webhookAt(path: string): Promise<string | undefined> {
    let after = ''
    for (let page = 0; page < MAX_WEBHOOK_PAGES; page += 1) {
      const { data, has_more } = await this.#get(`/webhooks?limit=${MAX_PAGE_ITEMS}${after}`, WebhooksPage)
      const found = data.find(({ endpoint }) => endpoint.endsWith(path))
      const last = data.at(-1)
      if (found !== undefined || !has_more || last === undefined) return found?.id
      after = `&after=${last.id}`
    }
    throw new ProviderFailure('provider_reply_too_large')
  }

  /** The newest first, page by page. */
  async *webhookEvents(webhookId: string): AsyncGenerator<readonly { readonly id: string; readonly at: number }[]> {
    const seen = new Set<string>()
    for (let after = ''; ; ) {
      const path = `/webhooks/${webhookId}/events?limit=${MAX_PAGE_ITEMS}${after}`
      const { data, has_more } = await this.#get(path, EventsPage)
      if (data.some(({ id }) => seen.has(id))) throw new ProviderFailure('page_repeated')
      for (const { id } of data) seen.add(id)
      yield data.map(({ id, created_at }) => ({ id, at: instantOf(created_at) }))
      const last = data.at(-1)
      if (!has_more || last === undefined) return
      after = `&after=${last.id}`
    }
  }

  /** What was to be delivered. */
  async webhookPayload(webhookId: string, eventId: string): Promise<unknown> {
    return (await this.#get(`/webhooks/${webhookId}/events/${eventId}`, EventDetail)).payload
  }

  /** The first whole day at or after `from` that the team's plan still keeps. */
  async oldestDay(from: number, now: number): Promise<number> {
    const query = new URLSearchParams({ ...dates(from, now), metrics: EVENT_COUNTS.join() })
    const { start_date } = await this.#get(`/emails/metrics?${query}`, Totals)
    return Math.max(from, Math.ceil(instantOf(start_date) / DAY_MS) * DAY_MS)
  }

  /** The events of each domain and UTC day in [from, to) that saw mail up to `now`, and their totals over all of them. */
  async dayCounts(domainIds: readonly string[], { from, to }: Range, now: number): Promise<DayCounts> {
    const end = Math.min(to - 1, now)
    const query = new URLSearchParams({
      ...dates(from, end),
      timezone: 'UTC',
      granularity: 'daily',
      metrics: EVENT_COUNTS.join(),
      dimensions: 'period,domain',
      domain_id: domainIds.join(),
    })
    const reply = await this.#get(`/emails/metrics?${query}`, DayCounts)
    // An answer for other days than were asked for, or up to an earlier moment, is an older one, served again.
    const [begun, ended] = [instantOf(reply.start_date), instantOf(reply.end_date)]
    if (begun !== from || ended < end - OLDEST_ANSWER_MS) throw new ProviderFailure('page_repeated')
    return reply
  }

  async #get<Schema extends z.ZodType>(path: string, schema: Schema): Promise<z.output<Schema>> {
    const answer = await askProvider(this.#access, {
      method: 'GET',
      path,
      headers: HEADERS,
      maxReplyBytes: MAX_REPLY_BYTES,
      defaultRetryAfterMs: DEFAULT_RETRY_AFTER_MS,
    })
    const parsed = schema.safeParse(answer)
    if (!parsed.success) throw new ProviderFailure('provider_reply_invalid')
    return parsed.data
  }
}

/** Calls of each second that are left alone: the mail that the team's own sites send goes through the same limit. */
const LEFT_TO_THE_TEAM = 2
const MAX_WAIT_SECONDS = 5

function withinTheSecond(access: ProviderAccess): ProviderAccess {
  let waitMs = 0
  return {
    ...access,
    fetch: async (url, init) => {
      if (waitMs > 0) await access.wait(waitMs)
      const response = await access.fetch(url, init)
      waitMs = waitAfter(response.headers)
      return response
    },
  }
}

function waitAfter(headers: Headers): number {
  const [remaining, reset] = [headers.get('ratelimit-remaining') ?? '', headers.get('ratelimit-reset') ?? '']
  if (!/^\d{1,4}$/.test(remaining) || !/^\d{1,4}$/.test(reset)) return 0
  return Number(remaining) > LEFT_TO_THE_TEAM ? 0 : Math.min(Number(reset), MAX_WAIT_SECONDS) * 1000
}

/** Moments, since it is not said whether the day of an end date is inside. */
function dates(from: number, end: number): { start_date: string; end_date: string } {
  return { start_date: new Date(from).toISOString(), end_date: new Date(end).toISOString() }
}

function instantOf(text: string): number {
  const at = Date.parse(text)
  if (Number.isNaN(at)) throw new ProviderFailure('provider_reply_invalid')
  return at
}
