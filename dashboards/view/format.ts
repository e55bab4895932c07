import type { Unit } from '../../domain/metrics/definitions.ts'

/** One locale, so that a screenshot and a support mail show the same text wherever they were made. */
const LOCALE = 'en-GB'
const whole = new Intl.NumberFormat(LOCALE, { maximumFractionDigits: 0 })
const compact = new Intl.NumberFormat(LOCALE, { notation: 'compact', maximumFractionDigits: 1 })
const BYTE_UNITS = ['B', 'kB', 'MB', 'GB', 'TB', 'PB'] as const
const BYTE_STEP = 1000

export function formatCount(value: number): string {
  return whole.format(value)
}

/** What a number counts; `currency` is null unless the unit is `minor`. */
export type Measure = { readonly unit: Unit; readonly currency: string | null }

/** Decimal units with three significant digits, as providers bill them. */
export function formatBytes(value: number): string {
  let scaled = value
  let unit = 0
  while (Math.abs(scaled) >= BYTE_STEP - 0.5 && unit < BYTE_UNITS.length - 1) {
    scaled /= BYTE_STEP
    unit += 1
  }
  const digits = unit === 0 || Math.abs(scaled) >= 100 ? 0 : Math.abs(scaled) >= 10 ? 1 : 2
  return `${scaled.toFixed(digits)} ${BYTE_UNITS[unit]}`
}

/** From the currency's smallest unit: a yen has none smaller, a dinar has three places. */
export function formatMoney(minor: number, currency: string): string {
  return moneyFormat(currency).format(inMajorUnits(minor, currency))
}

function inMajorUnits(minor: number, currency: string): number {
  return minor / 10 ** (moneyFormat(currency).resolvedOptions().maximumFractionDigits ?? 2)
}

const moneyFormats = new Map<string, Intl.NumberFormat>()
function moneyFormat(currency: string): Intl.NumberFormat {
  const known = moneyFormats.get(currency)
  if (known !== undefined) return known
  const made = new Intl.NumberFormat(LOCALE, { style: 'currency', currency })
  moneyFormats.set(currency, made)
  return made
}

export function formatValue(value: number, { unit, currency }: Measure): string {
  switch (unit) {
    case 'count':
      return formatCount(value)
    case 'bytes':
      return formatBytes(value)
    case 'minor':
      return currency === null ? formatCount(value) : formatMoney(value, currency)
  }
}

/** For axis ticks, where space is short. */
export function formatCompact(value: number, { unit, currency }: Measure): string {
  if (unit === 'bytes') return formatBytes(value).replace(/^[\d.]+/, (figure) => String(Number(figure)))
  return compact.format(currency === null ? value : inMajorUnits(value, currency))
}

const MINUTE_MS = 60_000
const HOUR_MS = 60 * MINUTE_MS
const DAY_MS = 24 * HOUR_MS

/** "3 min ago". A clock a little ahead of ours reads as now. */
export function formatAge(at: number, now: number): string {
  const age = Math.max(0, now - at)
  if (age < MINUTE_MS) return 'just now'
  if (age < HOUR_MS) return `${Math.floor(age / MINUTE_MS)} min ago`
  if (age < 2 * DAY_MS) return `${Math.floor(age / HOUR_MS)} h ago`
  return `${Math.floor(age / DAY_MS)} days ago`
}

export function formatTime(at: number, timeZone: string): string {
  return inZone(at, timeZone, { hour: '2-digit', minute: '2-digit' })
}

export function formatDay(at: number, timeZone: string): string {
  return inZone(at, timeZone, { day: 'numeric', month: 'short' })
}

export function formatMonth(at: number, timeZone: string): string {
  return inZone(at, timeZone, { month: 'short', year: '2-digit' })
}

export function formatDayTime(at: number, timeZone: string): string {
  return `${inZone(at, timeZone, { weekday: 'short', day: 'numeric', month: 'short' })}, ${formatTime(at, timeZone)}`
}

export function formatFullDay(at: number, timeZone: string): string {
  return inZone(at, timeZone, { weekday: 'short', day: 'numeric', month: 'short', year: 'numeric' })
}

export function formatDate(at: number, timeZone: string): string {
  return inZone(at, timeZone, { day: 'numeric', month: 'short', year: 'numeric' })
}

export function formatDateTime(at: number, timeZone: string): string {
  return `${formatDate(at, timeZone)}, ${formatTime(at, timeZone)}`
}

/** For records, where the order within a minute matters. In UTC, as everything that is signed. */
export function formatInstant(at: number): string {
  const time = inZone(at, 'UTC', { hour: '2-digit', minute: '2-digit', second: '2-digit' })
  return `${formatDate(at, 'UTC')}, ${time}`
}

function inZone(at: number, timeZone: string, options: Intl.DateTimeFormatOptions): string {
  return formatter(timeZone, options).format(at)
}

/** Making a formatter costs far more than using it, and a chart asks for hundreds. */
const formatters = new Map<string, Intl.DateTimeFormat>()
function formatter(timeZone: string, options: Intl.DateTimeFormatOptions): Intl.DateTimeFormat {
  const key = `${timeZone} ${Object.entries(options).join()}`
  const known = formatters.get(key)
  if (known !== undefined) return known
  const made = new Intl.DateTimeFormat(LOCALE, { ...options, timeZone: knownZone(timeZone), hourCycle: 'h23' })
  formatters.set(key, made)
  return made
}

/** A zone that this browser does not know is shown in UTC, and `zoneLabel` says so. */
function knownZone(timeZone: string): string {
  try {
    return new Intl.DateTimeFormat(LOCALE, { timeZone }).resolvedOptions().timeZone
  } catch {
    return 'UTC'
  }
}

export function zoneLabel(timeZone: string): string {
  return knownZone(timeZone) === 'UTC' ? 'UTC' : timeZone.replaceAll('_', ' ')
}
