import type { Answer } from '../loopback-server.ts'
import { invalid, list, pageRequest, refused, timestamp } from './rest.ts'
import type { World, WorldDomain } from './world.ts'

const DOMAIN = /^\/domains\/([0-9a-f-]{36})$/

export function answerDomains(path: string, query: URLSearchParams, world: World, now: number): Answer | undefined {
  if (path === '/domains') return domainList(query, world, now)
  const id = DOMAIN.exec(path)?.[1]
  if (id === undefined) return undefined
  const domain = world.domains.find((own) => own.id === id)
  if (domain === undefined) return refused(404, 'not_found', 'Domain not found')
  return {
    status: 200,
    body: { object: 'domain', ...summary(domain, world, now), records: recordsOf(domain, world, now) },
  }
}

function domainList(query: URLSearchParams, world: World, now: number): Answer {
  const page = pageRequest(query)
  if ('status' in page) return page
  const summaries = world.domains.map((domain) => summary(domain, world, now))
  const cursor = page.after ?? page.before
  const at = summaries.findIndex(({ id }) => id === cursor)
  if (cursor !== null && at === -1) return invalid('The pagination cursor is not known.')
  const chosen = page.before === null ? summaries.slice(at + 1) : summaries.slice(0, at).slice(-page.limit)
  const isCut = page.before === null ? chosen.length > page.limit : at > page.limit
  return list(chosen.slice(0, page.limit), isCut)
}

function summary(domain: WorldDomain, world: World, now: number) {
  const records = recordsOf(domain, world, now)
  const isWhole = records.every(({ status }) => status === 'verified')
  return {
    id: domain.id,
    name: domain.name,
    status: isWhole ? 'verified' : 'partially_failed',
    created_at: timestamp(domain.createdAt),
    region: 'eu-west-1',
    open_tracking: false,
    click_tracking: false,
    capabilities: { sending: 'enabled', receiving: 'disabled' },
  }
}

/** The three that Resend asks for: two of SPF, for the bounces' own subdomain, and one of DKIM. */
function recordsOf(domain: WorldDomain, world: World, now: number) {
  const status = (record: string) => world.recordStatus(domain, record, now)
  const [spf, dkim] = [
    { record: 'SPF', ttl: 'Auto', status: status('SPF') },
    { record: 'DKIM', ttl: 'Auto', status: status('DKIM') },
  ]
  const mailExchange = 'feedback-smtp.eu-west-1.amazonses.com'
  return [
    { ...spf, name: 'send', type: 'MX', value: mailExchange, priority: 10 },
    { ...spf, name: 'send', type: 'TXT', value: 'v=spf1 include:amazonses.com ~all' },
    { ...dkim, name: 'resend._domainkey', type: 'TXT', value: `p=${Buffer.from(domain.id).toString('base64')}` },
  ]
}
