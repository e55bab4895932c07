'use client'

import { useState } from 'react'
import { AuditResponse, type z } from '../data/schemas.ts'
import type { Failure } from '../data/wire.ts'
import { useWorkspace } from '../session/workspace.tsx'
import { FailureNotice } from '../shell/notice.tsx'
import { formatInstant } from '../view/format.ts'

const ROWS = 50
type Entry = z.infer<typeof AuditResponse>['rows'][number]
type State = { readonly busy: boolean; readonly entries: readonly Entry[] | null; readonly failure: Failure | null }

/** The member's own statements, read from the sealed log. Only when asked: each reading is a record in that log. */
export function History({ onReuse }: { readonly onReuse: (statement: string) => void }) {
  const { gateway, userId } = useWorkspace()
  const [{ busy, entries, failure }, setState] = useState<State>({ busy: false, entries: null, failure: null })

  const read = async () => {
    setState((past) => ({ ...past, busy: true, failure: null }))
    const query = new URLSearchParams({
      action: 'console.query',
      actor: `user:${userId}`,
      order: 'newest',
      limit: String(ROWS),
    })
    const answer = await gateway(`/api/audit?${query}`, AuditResponse)
    if (answer.ok) setState({ busy: false, entries: answer.value.rows, failure: null })
    else setState((past) => ({ ...past, busy: false, failure: answer.failure }))
  }

  return (
    <section className="console-history" aria-labelledby="history">
      <div className="actions">
        <h2 id="history">Your statements</h2>
        <button type="button" className="button" disabled={busy || userId === null} onClick={() => void read()}>
          {entries === null ? 'Show' : 'Refresh'}
        </button>
      </div>
      {failure !== null && <FailureNotice failure={failure} />}
      {entries?.length === 0 && <p className="fine">You have run nothing here yet.</p>}
      {entries !== null && entries.length > 0 && (
        <ol className="console-entries">
          {entries.map((entry) => (
            <HistoryEntry key={entry.row_id} entry={entry} onReuse={onReuse} />
          ))}
        </ol>
      )}
    </section>
  )
}

type EntryProps = { readonly entry: Entry; readonly onReuse: (statement: string) => void }

function HistoryEntry({ entry: { at, target, detail, outcome }, onReuse }: EntryProps) {
  const { statement } = detail
  return (
    <li>
      <p className="fine">
        <time dateTime={at}>{formatInstant(Date.parse(at))}</time>, {outcome?.state ?? 'unknown'}
        {target.startsWith('credential:') && ', at a client’s project'}
      </p>
      {statement === undefined ? (
        <p>
          A long statement, of which the digest is kept: <code>{detail.statement_sha256}</code>
        </p>
      ) : (
        <>
          <pre>{statement}</pre>
          <button type="button" className="button-link" onClick={() => onReuse(statement)}>
            Edit again
          </button>
        </>
      )}
    </li>
  )
}
