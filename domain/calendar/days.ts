/**
 * Calendar days of an IANA time zone as half-open windows of Unix milliseconds. A day has 23, 24 or 25 hours, or another number yet, and
 * where clocks move at midnight it begins at another time than 00:00: it begins with the first minute that has its date.
 */
export type Day = { readonly date: string; readonly from: number; readonly to: number }

const MINUTE_MS = 60_000
const HOUR_MS = 60 * MINUTE_MS
/** Further than any zone is from UTC. */
const FARTHEST_MS = 16 * HOUR_MS

/** Making a formatter costs far more than using it. */
const formatters = new Map<string, Intl.DateTimeFormat>()

/** "2026-03-29": the date that a clock on the wall shows. */
export function dateIn(timeZone: string, at: number): string {
  let formatter = formatters.get(timeZone)
  if (formatter === undefined) {
    formatter = new Intl.DateTimeFormat('en-CA', { timeZone, year: 'numeric', month: '2-digit', day: '2-digit' })
    formatters.set(timeZone, formatter)
  }
  return formatter.format(at)
}

export function isTimeZone(text: string): boolean {
  try {
    return new Intl.DateTimeFormat('en-CA', { timeZone: text }).resolvedOptions().timeZone !== ''
  } catch {
    return false
  }
}

/** The day that an instant lies in. */
export function dayOf(timeZone: string, at: number): Day {
  const date = dateIn(timeZone, at)
  return { date, from: beginOf(timeZone, date), to: beginOf(timeZone, dateAfter(date)) }
}

/** From the day of `from` to that of `until`, both included. */
export function daysBetween(timeZone: string, from: number, until: number): Day[] {
  const days: Day[] = []
  for (let day = dayOf(timeZone, from); ; day = dayOf(timeZone, day.to)) {
    days.push(day)
    if (day.to > until) return days
  }
}

function dateAfter(date: string): string {
  return new Date(Date.parse(date) + 24 * HOUR_MS).toISOString().slice(0, 10)
}

/** Local dates never run backwards, so the first minute of one can be searched for. Zones move by whole minutes. */
function beginOf(timeZone: string, date: string): number {
  let before = Date.parse(date) - FARTHEST_MS
  let at = Date.parse(date) + FARTHEST_MS
  while (at - before > MINUTE_MS) {
    const middle = before + Math.floor((at - before) / 2 / MINUTE_MS) * MINUTE_MS
    if (dateIn(timeZone, middle) < date) before = middle
    else at = middle
  }
  return at
}
