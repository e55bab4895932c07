import type postgres from 'postgres'
import { METRICS, type MetricName } from '../../domain/metrics/definitions.ts'
import type { DatasetName } from '../../workers/connector/providers/provider.ts'
import type { GoldenSite } from './agency.ts'
import type { Books, Entry } from './books.ts'
import type { GoldenStand } from './stand.ts'

/** Rows that a plan is just about to drop when the key is stored may be gone before they are asked for, and leave a day of theirs unfinished. */
const EDGE_MS = 2 * 86_400_000
const NO_CURRENCY = 'XXX'

export type Difference = {
  readonly what: 'missing' | 'extra' | 'different' | 'unfinished'
  readonly provider: string
  readonly site: string
  readonly dataset: DatasetName
  readonly metric: string
  readonly window: string
  readonly currency: string | null
  readonly stored: number | null
  readonly books: number | null
}
export type Comparison = {
  readonly facts: number
  /** Figures of the books that had to be there. */
  readonly expected: number
  readonly differences: readonly Difference[]
  /** Metrics that the domain defines and no book speaks of: nothing is proved of them. */
  readonly without_books: readonly string[]
}
/** A run that the connector called whole, by its credential. */
export type WholeRun = { readonly credentialId: string; readonly at: number }

type Stored = {
  metric: string
  start: number
  end: number
  currency: string
  value: number
  fetched_at: number
  completeness: 'complete' | 'partial'
}

/**
 * Every stored fact against the simulators' own ledgers, and every figure of the ledgers against what is stored. `hoursKeptFrom`: where
 * the verifier drops them, the first that it has not dropped.
 */
export async function compareWithBooks(
  stand: GoldenStand,
  runs: readonly WholeRun[],
  endedAt: number,
  hoursKeptFrom = Number.NEGATIVE_INFINITY,
): Promise<Comparison> {
  const totals = { facts: 0, expected: 0 }
  const differences: Difference[] = []
  for (const site of stand.agencies.sites) {
    const own = runs.filter(({ credentialId }) => credentialId === site.credentialId)
    for (const dataset of ['hourly', 'daily'] as const) {
      const books = (stand.providers.get(site.provider)?.books ?? []).filter((book) => book.dataset === dataset)
      const facts = await storedFacts(stand.sql, site, dataset)
      const comparison = new SiteComparison(site, dataset, books, facts)
      comparison.counted(endedAt, dataset === 'hourly' ? hoursKeptFrom : Number.NEGATIVE_INFINITY)
      comparison.readings(own)
      comparison.fleeting(endedAt)
      comparison.extras()
      totals.facts += facts.length
      totals.expected += comparison.expected
      differences.push(...comparison.differences)
    }
  }
  return { ...totals, differences, without_books: metricsWithoutBooks(stand) }
}

async function storedFacts(sql: postgres.Sql, site: GoldenSite, dataset: DatasetName): Promise<Stored[]> {
  const ms = (column: string) => sql`(extract(epoch from ${sql(column)}) * 1000)::float8`
  const rows = await sql<Stored[]>`
    select metric, ${ms('window_start')} as start, ${ms('window_end')} as end, currency, value::float8 as value,
      ${ms('fetched_at')} as fetched_at, completeness
    from ${sql(`flarewatch.facts_${dataset}`)} where site_id = ${site.id}`
  return rows.slice()
}

function metricsWithoutBooks({ providers }: GoldenStand): string[] {
  const books = [...providers.values()].flatMap((open) => open.books)
  const grains = { hour: 'hourly', day: 'daily' } as const
  return Object.values(METRICS).flatMap(({ name, grains: own }) =>
    own
      .filter((grain) => !books.some((book) => book.dataset === grains[grain] && metricsOf(book).includes(name)))
      .map((grain) => `${name} by ${grain}`),
  )
}

function metricsOf({ counted, read, fleeting }: Books): readonly MetricName[] {
  return [counted, read, fleeting].flatMap((part) => part?.metrics ?? [])
}

class SiteComparison {
  readonly differences: Difference[] = []
  expected = 0
  readonly #site: GoldenSite
  readonly #dataset: DatasetName
  readonly #books: readonly Books[]
  readonly #facts: ReadonlyMap<string, Stored>
  readonly #seen = new Set<string>()

  constructor(site: GoldenSite, dataset: DatasetName, books: readonly Books[], facts: readonly Stored[]) {
    this.#site = site
    this.#dataset = dataset
    this.#books = books
    this.#facts = new Map(facts.map((fact) => [keyOf(fact.metric, fact.start, fact.currency), fact]))
  }

  /** From as far back as the provider kept rows when the key was stored. A younger window than has settled need not be there, but is held to what it claims. */
  counted(endedAt: number, keptFrom: number): void {
    for (const { counted } of this.#books) {
      if (counted === undefined) continue
      const from = this.#site.connectedAt - counted.depthMs
      const keptSurelyFrom = Math.max(from, keptFrom) + EDGE_MS
      for (const entry of counted.entries(this.#site, from, endedAt)) {
        const mustBeFinal = entry.windowEnd <= endedAt - counted.settlingMs && entry.windowStart >= keptSurelyFrom
        if (!mustBeFinal && !this.#isComplete(entry)) continue
        this.#hold(entry, mustBeFinal && entry.value !== 0)
      }
    }
  }

  #isComplete({ metric, windowStart, currency }: Entry): boolean {
    return this.#facts.get(keyOf(metric, windowStart, currency ?? NO_CURRENCY))?.completeness === 'complete'
  }

  /** A reading is of the moment in which it was taken: the fact says which. */
  readings(runs: readonly WholeRun[]): void {
    const reads = this.#books.flatMap(({ read }) => (read === undefined ? [] : [read]))
    const at = (moment: number, of: typeof reads) => of.flatMap(({ entries }) => [...entries(this.#site, moment)])
    for (const fact of this.#facts.values()) {
      const own = reads.filter(({ metrics }) => metrics.some((metric) => metric === fact.metric))
      const entry = at(fact.fetched_at, own).find(
        ({ metric, windowStart, currency }) =>
          metric === fact.metric && windowStart === fact.start && (currency ?? NO_CURRENCY) === fact.currency,
      )
      // A day of readings is whole when each of its hours was read, which is not asked for here.
      if (entry !== undefined) this.#hold(entry, true, fact.completeness)
    }
    for (const run of runs) {
      const entries = reads.flatMap((read) =>
        at(run.at, [read]).filter(({ windowStart }) => windowStart <= run.at - read.everyMs),
      )
      for (const entry of entries) {
        if (!this.#facts.has(keyOf(entry.metric, entry.windowStart, entry.currency ?? NO_CURRENCY)))
          this.#hold(entry, true)
      }
    }
  }

  fleeting(endedAt: number): void {
    for (const { fleeting } of this.#books) {
      for (const entry of fleeting?.entries(this.#site, this.#site.connectedAt, endedAt) ?? []) {
        if (this.#isComplete(entry)) this.#hold(entry, true)
      }
    }
  }

  /** What no book knows of. Only the window that is under way may be unfinished, and so without a final figure. */
  extras(): void {
    for (const [key, fact] of this.#facts) {
      if (this.#seen.has(key)) continue
      const isNought = fact.value === 0
      if (fact.completeness === 'partial' || isNought) continue
      this.#note('extra', fact.metric, fact.start, fact.currency, fact.value, null)
    }
  }

  #hold(
    { metric, windowStart, windowEnd, currency, value }: Entry,
    isRequired: boolean,
    completeness = 'complete',
  ): void {
    const key = keyOf(metric, windowStart, currency ?? NO_CURRENCY)
    const fact = this.#facts.get(key)
    this.#seen.add(key)
    if (isRequired) this.expected += 1
    const note = (what: Difference['what']) =>
      this.#note(what, metric, windowStart, currency, fact?.value ?? null, value)
    if (fact === undefined) {
      if (isRequired) note('missing')
    } else if (fact.completeness !== completeness) note('unfinished')
    else if (fact.value !== value || fact.end !== windowEnd) note('different')
  }

  #note(
    what: Difference['what'],
    metric: string,
    start: number,
    currency: string | null,
    stored: number | null,
    books: number | null,
  ): void {
    const { provider, ref: site } = this.#site
    const window = new Date(start).toISOString()
    this.differences.push({
      what,
      provider,
      site,
      dataset: this.#dataset,
      metric,
      window,
      currency,
      stored,
      books,
    })
  }
}

function keyOf(metric: string, start: number, currency: string): string {
  return `${metric} ${start} ${currency}`
}
