import { deltaText } from '../view/delta.ts'
import type { Figure } from '../view/figures.ts'
import { formatDateTime, formatFullDay, formatTime, formatValue, zoneLabel } from '../view/format.ts'
import { coverageText, samplingText } from '../view/provenance.ts'
import type { Range } from '../view/ranges.ts'

type FigureLineProps = { readonly figure: Figure; readonly range: Range; readonly timeZone: string }

/** A number, how it changed, and under both where it comes from. */
export function FigureLine({ figure, range, timeZone }: FigureLineProps) {
  const { label, unit, value, delta, window } = figure
  const noun = window.grain === 'day' && range.grain === 'hour' ? DAY_NOUNS[range.name] : range.noun
  const change = deltaText(delta, noun ?? range.noun)
  return (
    <div className="figure">
      <dt>{label}</dt>
      <dd className="figure-value number">{value === null ? '—' : formatValue(value, unit)}</dd>
      <dd className={`figure-delta number ${change.direction}`} title={change.spoken}>
        <span aria-hidden="true">
          {ARROWS[change.direction]} {change.short}
        </span>
        <span className="visually-hidden">{change.spoken}</span>
      </dd>
      <dd className="provenance">{provenanceText(figure, timeZone)}</dd>
    </div>
  )
}

const ARROWS = { up: '▲', down: '▼', flat: '·' } as const
const DAY_NOUNS: Readonly<Partial<Record<Range['name'], string>>> = { '24h': 'day' }

function provenanceText({ provenance, coverage, window }: Figure, timeZone: string): string {
  if (provenance === null) return 'no data for this window'
  const fetched = Date.parse(provenance.fetched_at)
  const parts = [
    provenance.source,
    dayScope(window),
    `fetched ${isSameDay(fetched, Date.now()) ? formatTime(fetched, timeZone) : formatDateTime(fetched, timeZone)} ${zoneLabel(timeZone)}`,
    samplingText(provenance.sampling),
    coverageText(coverage, window.grain),
  ]
  return parts.filter((part) => part !== null).join(' · ')
}

/** Days are the provider's, in UTC, whatever the site's zone: the figure says which ones. */
function dayScope({ grain, from, to }: Figure['window']): string | null {
  if (grain === 'hour') return null
  const last = to - 1
  return isSameDay(from, last)
    ? `${formatFullDay(from, 'UTC')} (UTC)`
    : `${formatFullDay(from, 'UTC')} to ${formatFullDay(last, 'UTC')} (UTC days)`
}

function isSameDay(a: number, b: number): boolean {
  return new Date(a).toISOString().slice(0, 10) === new Date(b).toISOString().slice(0, 10)
}
