import { deltaText } from '../view/delta.ts'
import type { Figure } from '../view/figures.ts'
import { formatValue } from '../view/format.ts'
import { BETTER_WHEN_LESS } from '../view/panels.ts'
import type { Range } from '../view/ranges.ts'
import { Origin } from './origin.tsx'

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
