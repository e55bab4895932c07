import { deltaText } from '../view/delta.ts'
import type { Figure } from '../view/figures.ts'
import { formatDate, formatDateTime, formatDay, formatTime, formatValue, zoneLabel } from '../view/format.ts'
import { BETTER_WHEN_LESS } from '../view/panels.ts'
import { coverageText, samplingText, sourceText } from '../view/provenance.ts'
import type { Range } from '../view/ranges.ts'

type FigureLineProps = { readonly figure: Figure; readonly range: Range; readonly timeZone: string }

/** A number, how it changed, and under both where it comes from. */
export function FigureLine({ figure, range, timeZone }: FigureLineProps) {
  const { label, value, delta, window } = figure
  const noun = window.grain === 'day' && range.grain === 'hour' ? DAY_NOUNS[range.name] : range.noun
  const change = deltaText(delta, noun ?? range.noun)
  const tone = BETTER_WHEN_LESS.has(figure.metric) ? OPPOSITE[change.direction] : change.direction
  return (
    <div className="figure">
      <dt>{label}</dt>
      <dd className="figure-value number">{value === null ? '—' : formatValue(value, figure)}</dd>
      <dd className={`figure-delta number ${tone}`} title={change.spoken}>
        <span aria-hidden="true">
          {delta.kind === 'unknown' ? '' : ARROWS[change.direction]} {change.short}
        </span>
        <span className="visually-hidden">{change.spoken}</span>
      </dd>
      <dd className="provenance">
        <Origin figure={figure} timeZone={timeZone} />
      </dd>
    </div>
  )
}

const OPPOSITE = { up: 'down', down: 'up', flat: 'flat' } as const
const ARROWS = { up: '▲', down: '▼', flat: '·' } as const
const DAY_NOUNS: Readonly<Partial<Record<Range['name'], string>>> = { '24h': 'day' }

function Origin({ figure, timeZone }: { readonly figure: Figure; readonly timeZone: string }) {
  const { provenance, coverage, window, meanOf } = figure
  if (provenance === null) return 'no data for this window'
  const fetched = Date.parse(provenance.fetched_at)
  const shown = isSameDay(fetched, Date.now()) ? formatTime(fetched, timeZone) : formatDateTime(fetched, timeZone)
  const parts = [
    sourceText(provenance.source),
    daysText(window, zoneLabel(timeZone)),
    meanOf === null || meanOf === 1 ? null : `mean of ${meanOf} days`,
    `fetched ${shown} ${zoneLabel(timeZone)}`,
    samplingText(provenance.sampling),
  ].filter((part) => part !== null)
  return (
    <>
      {parts.join(' · ')} ·{' '}
      <span className={coverage.missing === 0 ? undefined : 'gaps'}>{coverageText(coverage, window.grain)}</span>
    </>
  )
}

/** Days are those that the provider counts the site in, each told as the UTC midnight of its date: the figure says which ones. */
function daysText({ grain, from, to }: Figure['window'], zone: string): string | null {
  if (grain === 'hour') return null
  const last = to - 1
  if (isSameDay(from, last)) return `${formatDay(from, 'UTC')} (${zone} day)`
  const show = new Date(from).getUTCFullYear() === new Date(last).getUTCFullYear() ? formatDay : formatDate
  return `${show(from, 'UTC')} to ${show(last, 'UTC')} (${zone} days)`
}

function isSameDay(a: number, b: number): boolean {
  return new Date(a).toISOString().slice(0, 10) === new Date(b).toISOString().slice(0, 10)
}
