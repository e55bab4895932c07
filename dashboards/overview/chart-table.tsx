'use client'

import { useState } from 'react'
import { formatDayTime, formatFullDay, formatValue, type Measure } from '../view/format.ts'
import { correctionText } from '../view/provenance.ts'
import type { Window } from '../view/ranges.ts'
import type { ChartRow } from '../view/series.ts'

type ChartTableProps = {
  readonly title: string
  readonly label: string
  readonly measure: Measure
  readonly zone: string
  readonly window: Window
  readonly rows: readonly ChartRow[]
  readonly timeZone: string
}

/** The chart's values as text, for those who read better than they see curves. Made only when it is opened. */
export function ChartTable({ title, label, measure, zone, window, rows, timeZone }: ChartTableProps) {
  const [open, setOpen] = useState(false)
  return (
    <details className="values" onToggle={({ currentTarget }) => setOpen(currentTarget.open)}>
      <summary>Values as a table</summary>
      {open && (
        // biome-ignore lint/a11y/noNoninteractiveTabindex: a region that scrolls must be reachable by keyboard
        <section className="values-scroll" tabIndex={0} aria-label={`Values of ${title}`}>
          <table className="table table-plain">
            <thead>
              <tr>
                <th scope="col">
                  {window.grain === 'hour' ? 'Hour from' : 'Day'} ({zone})
                </th>
                <th scope="col" className="end">
                  {label}
                </th>
                <th scope="col" className="end">
                  Previous
                </th>
              </tr>
            </thead>
            <tbody>
              {rows.map(({ at, value, previous, partial, corrected }) => (
                <tr key={at}>
                  <th scope="row">
                    {window.grain === 'hour' ? formatDayTime(at, timeZone) : formatFullDay(at, timeZone)}
                  </th>
                  <td className="end number">
                    {value === null ? 'no data' : formatValue(value, measure)}
                    {partial && ' (unfinished)'}
                    {corrected !== null && (
                      <span className="fine"> {correctionText(corrected, measure, timeZone)}</span>
                    )}
                  </td>
                  <td className="end number">{previous === null ? 'no data' : formatValue(previous, measure)}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </section>
      )}
    </details>
  )
}
