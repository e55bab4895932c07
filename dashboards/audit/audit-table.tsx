import { formatInstant } from '../view/format.ts'
import type { Act } from './acts.ts'
import { OutcomeBadge } from './outcome-badge.tsx'
import { actorText, deedText, type Names } from './words.ts'

type AuditTableProps = {
  readonly acts: readonly Act[]
  readonly names: Names
  /** The last row that a receipt covers; null while that is not known. */
  readonly signedTo: number | null
}

export function AuditTable({ acts, names, signedTo }: AuditTableProps) {
  return (
    <table className="table audit-table">
      <caption className="fine">Times in UTC. Newest first; an act and how it ended are one line.</caption>
      <thead>
        <tr>
          <th scope="col" className="end">
            Row
          </th>
          <th scope="col">Time</th>
          <th scope="col">What happened</th>
          <th scope="col">Outcome</th>
        </tr>
      </thead>
      <tbody>
        {acts.map(({ row, outcome }) => (
          <tr key={row.seq}>
            <th scope="row" data-label="Row" className="end number">
              <span>{row.seq}</span>
            </th>
            <td data-label="Time">
              <time className="number" dateTime={row.at}>
                {formatInstant(Date.parse(row.at))}
              </time>
            </td>
            <td data-label="What">
              <a href={`#${row.seq}`} className="row-link">
                <strong>{actorText(row.actor, names)}</strong> {deedText(row, names)}
              </a>
            </td>
            <td data-label="Outcome">
              <span>
                <OutcomeBadge outcome={outcome} />
                {signedTo !== null && row.seq > signedTo && <span className="badge">not signed yet</span>}
              </span>
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  )
}
