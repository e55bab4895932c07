import { type IncidentWords, incidentWords } from '../../domain/incidents/words.ts'
import type { IncidentLine, z } from '../data/schemas.ts'

export type Incident = z.infer<typeof IncidentLine>
export type Notable = {
  /** What the banner names: the newest of the gravest. */
  readonly first: Incident
  readonly words: IncidentWords
  readonly count: number
}

/** Work that failed and was not looked at is news for a day; doubt about history or keys stays until it is acknowledged. */
const WORK_IS_NEWS_MS = 24 * 60 * 60 * 1000

/** What a banner on every page must say, of the open incidents; null when there is nothing. */
export function notableOf(open: readonly Incident[], now: number): Notable | null {
  const told = open
    .map((incident) => ({ incident, words: incidentWords(incident.kind) }))
    .filter(({ incident, words }) => words.grave || now - Date.parse(incident.at) < WORK_IS_NEWS_MS)
    .sort(
      (one, other) =>
        Number(other.words.grave) - Number(one.words.grave) ||
        Date.parse(other.incident.at) - Date.parse(one.incident.at),
    )
  const [first] = told
  return first === undefined ? null : { first: first.incident, words: first.words, count: told.length }
}
