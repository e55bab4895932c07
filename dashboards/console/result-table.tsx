'use client'

import type { ConsoleColumn, StatementAnswer } from '../data/schemas.ts'
import { formatCount } from '../view/format.ts'
import { toCsv } from './csv.ts'

type Answered = Extract<StatementAnswer, { state: 'answered' }>

/** More would make the page slow; the file has all. */
const SHOWN_ROWS = 500

export function ResultTable({ answer }: { readonly answer: Answered }) {
  const { columns, rows, truncated, milliseconds } = answer
  const hidden = rows.length - SHOWN_ROWS
  return (
    <section className="console-result" aria-label="Result">
      <div className="actions">
        <p role="status">
          {formatCount(rows.length)} {rows.length === 1 ? 'row' : 'rows'} in {formatCount(milliseconds)} ms.
          {truncated && ' There were more: the console’s limit cut them off.'}
          {columns.some(({ kind }) => kind === 'timestamp') && ' Times in UTC.'}
        </p>
        <button type="button" className="button" onClick={() => download(toCsv(answer))}>
          Download CSV
        </button>
      </div>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard (WCAG 2.1.1) */}
      <section className="console-scroll" tabIndex={0} aria-label="Rows">
        <table className="table table-plain">
          <thead>
            <tr>
              {columns.map((column, index) => (
                // biome-ignore lint/suspicious/noArrayIndexKey: columns may share a name, and never move
                <th key={index} scope="col" className={alignment(column)} title={column.type}>
                  {column.name}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {rows.slice(0, SHOWN_ROWS).map((row, line) => (
              // biome-ignore lint/suspicious/noArrayIndexKey: rows have no identity, and never move
              <tr key={line}>
                {columns.map((column, index) => (
                  // biome-ignore lint/suspicious/noArrayIndexKey: see above
                  <td key={index} className={alignment(column)}>
                    <Cell value={row[index] ?? null} />
                  </td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </section>
      {hidden > 0 && <p className="fine">{formatCount(hidden)} further rows are in the CSV file.</p>}
    </section>
  )
}

function Cell({ value }: { readonly value: string | null }) {
  return value === null ? <span className="fine">null</span> : value
}

function alignment({ kind }: ConsoleColumn): string | undefined {
  return kind === 'number' ? 'end number' : undefined
}

function download(csv: string): void {
  const url = URL.createObjectURL(new Blob([csv], { type: 'text/csv;charset=utf-8' }))
  const link = document.createElement('a')
  link.href = url
  link.download = 'flarewatch.csv'
  link.click()
  URL.revokeObjectURL(url)
}
