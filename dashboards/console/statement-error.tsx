import type { StatementFailure } from '../data/schemas.ts'
import { placeIn } from './place.ts'

type Props = { readonly statement: string; readonly failure: StatementFailure }

/** What was wrong, and the line of the statement with the place marked. */
export function StatementError({ statement, failure }: Props) {
  const place = failure.position === null ? null : placeIn(statement, failure.position)
  return (
    <div className="notice notice-error" role="alert">
      <p>{failure.message}</p>
      {place !== null && (
        <>
          <p className="fine">
            Line {place.line}, column {place.column}
          </p>
          <pre className="console-place">
            {place.before}
            <mark>{place.at}</mark>
            {place.after}
          </pre>
        </>
      )}
      {failure.sqlstate !== null && (
        <p className="fine">
          Postgres’s code <code>{failure.sqlstate}</code>
        </p>
      )}
    </div>
  )
}
