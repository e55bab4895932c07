import { HISTORY_MS } from '../../../domain/backfill/retention.ts'
import type { MetricName } from '../../../domain/metrics/definitions.ts'
import type { EventCount } from '../../../domain/providers/resend/schemas.ts'
import { startResendSimulator } from '../../simulators/resend/simulator.ts'
import { DAY_MS, World, type WorldDomain } from '../../simulators/resend/world.ts'
import { type BookSite, control, type Entry, type Open } from '../books.ts'

/** A line a metric: the event that it counts, under the day of its mail. */
const EVENTS = {
  emails_sent: 'sent',
  emails_delivered: 'delivered',
  emails_delayed: 'delivery_delayed',
  emails_bounced: 'bounced',
  emails_complained: 'complained',
  emails_suppressed: 'suppressed',
} as const satisfies { readonly [Name in MetricName]?: EventCount }
/** A line a metric: the records it speaks of, and how many a domain has of them. */
const RECORDS = {
  spf_unverified: { record: 'SPF', count: 2 },
  dkim_unverified: { record: 'DKIM', count: 1 },
} as const satisfies { readonly [Name in MetricName]?: object }

export const openResend: Open = async (options, retentionDays) => {
  const simulator = await startResendSimulator(options)
  const world = new World(options.seed)
  await control(simulator, 'retention', { days: retentionDays })
  const domainOf = ({ ref }: BookSite) => {
    const domain = world.domains.find(({ id }) => id === ref)
    if (domain === undefined) throw new Error(`no domain ${ref}`)
    return domain
  }
  return {
    simulator,
    accounts: [
      {
        key: simulator.issueReadKey(),
        sites: world.domains.map(({ id, name }) => ({ ref: id, name, timeZone: 'UTC' })),
      },
    ],
    books: [
      {
        dataset: 'daily',
        counted: {
          metrics: namesOf(EVENTS),
          settlingMs: 3 * DAY_MS,
          depthMs: Math.min(retentionDays * DAY_MS, HISTORY_MS.daily),
          entries: (site, from, to) => mailsOf(world, domainOf(site), from, to),
        },
        read: { everyMs: 0, metrics: namesOf(RECORDS), entries: (site, at) => recordsOf(world, domainOf(site), at) },
      },
    ],
  }
}

function* mailsOf(world: World, domain: WorldDomain, from: number, to: number): Generator<Entry> {
  for (let day = Math.ceil(from / DAY_MS) * DAY_MS; day + DAY_MS <= to; day += DAY_MS) {
    const events = world.mails(domain, day).flatMap((mail) => mail.events)
    for (const metric of namesOf(EVENTS)) {
      const value = events.filter(({ name }) => name === EVENTS[metric]).length
      yield { metric, windowStart: day, windowEnd: day + DAY_MS, currency: null, value }
    }
  }
}

function* recordsOf(world: World, domain: WorldDomain, at: number): Generator<Entry> {
  const windowStart = Math.floor(at / DAY_MS) * DAY_MS
  for (const metric of namesOf(RECORDS)) {
    const { record, count } = RECORDS[metric]
    const value = world.recordStatus(domain, record, at) === 'verified' ? 0 : count
    yield { metric, windowStart, windowEnd: windowStart + DAY_MS, currency: null, value }
  }
}

function namesOf<Name extends string>(lines: { readonly [Metric in Name]: unknown }): Name[] {
  return Object.keys(lines) as Name[]
}
