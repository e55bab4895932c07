import type { PathGroup } from '../../../domain/providers/cloudflare/schemas.ts'
import { ProviderFailure } from './provider.ts'

export const DAY_MS = 24 * 3_600_000

export type DayOfPaths = {
  readonly begin: number
  readonly total: number
  readonly sampling: number
  readonly paths: readonly { readonly path: string; readonly count: number; readonly sampling: number }[]
}

/** Two nodes a day: Cloudflare gives the largest of a whole range, not of each of its days. */
export function pathsQuery(days: number): string {
  const each = (text: (index: number) => string) => Array.from({ length: days }, (_, index) => text(index)).join(' ')
  return `query Paths($zone: string, $limit: uint64!, ${each((index) => `$from${index}: Time, $to${index}: Time`)}) {
  viewer { zones(filter: { zoneTag: $zone }) { ${each(nodesOf)} } } }`
}

function nodesOf(index: number): string {
  const filter = `filter: { datetime_geq: $from${index}, datetime_lt: $to${index} }`
  return `total${index}: httpRequestsAdaptiveGroups(${filter}, limit: 1) { count dimensions { date } avg { sampleInterval } }
  paths${index}: httpRequestsAdaptiveGroups(${filter}, limit: $limit, orderBy: [count_DESC]) {
    count dimensions { date clientRequestPath } avg { sampleInterval } }`
}

/** Estimates of two queries come of two samples. */
const SAMPLED_TOLERANCE = 0.2

/** Undefined for a day without a row. What cannot be the whole day is no answer. */
export function dayOfPaths(
  begin: number,
  totals: readonly PathGroup[] = [],
  rows: readonly PathGroup[] = [],
  limit: number,
): DayOfPaths | undefined {
  const [total] = totals
  if (total === undefined && rows.length === 0) return undefined
  if (total === undefined) throw new ProviderFailure('provider_reply_invalid')
  if ([total, ...rows].some(({ dimensions }) => Date.parse(dimensions.date) !== begin)) {
    throw new ProviderFailure('page_repeated')
  }
  const paths = rows.map(({ count, dimensions: { clientRequestPath = '' }, avg }) => ({
    path: clientRequestPath,
    count,
    sampling: avg.sampleInterval,
  }))
  const named = paths.reduce((sum, { count }) => sum + count, 0)
  const slack = total.avg.sampleInterval > 1 ? SAMPLED_TOLERANCE : 0
  // Fewer paths than were asked for are all that there are, so they are the whole; a list that is cut short is not.
  const isCut = rows.length < limit && named < total.count * (1 - slack)
  if (isCut || named > total.count * (1 + slack)) throw new ProviderFailure('provider_reply_invalid')
  return { begin, total: total.count, sampling: total.avg.sampleInterval, paths }
}
