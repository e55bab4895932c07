'use client'

import { useState } from 'react'
import { roleMay } from '../../domain/contracts/roles.ts'
import { kindText, leasesText, replayText } from '../../domain/runs/dead-letters.ts'
import { runWords } from '../../domain/runs/words.ts'
import { ActDialog } from '../credentials/act-dialog.tsx'
import { type DeadLetterLine, DeadLettersResponse, type z } from '../data/schemas.ts'
import { usePolled } from '../data/use-polled.ts'
import { type Tenant, useWorkspace } from '../session/workspace.tsx'
import { FailureNotice } from '../shell/notice.tsx'
import { formatAge, formatDateTime } from '../view/format.ts'

const DEAD_LETTER_POLL_MS = 60_000
type Line = z.output<typeof DeadLetterLine>
type DeadLettersProps = { readonly tenant: Tenant; readonly now: number }

/** Runs that every try failed of, and what becomes of them. */
export function DeadLetters({ tenant, now }: DeadLettersProps) {
  const { gateway } = useWorkspace()
  const { value, failure, refresh } = usePolled(tenant.id, DEAD_LETTER_POLL_MS, () =>
    gateway('/api/dead-letters', DeadLettersResponse),
  )
  const [chosen, setChosen] = useState<Line | null>(null)
  const close = (done: boolean) => {
    setChosen(null)
    if (done) refresh()
  }
  return (
    <section aria-labelledby="dead-letters">
      <h2 id="dead-letters">Dead letters</h2>
      {failure !== null && <FailureNotice failure={failure} onRetry={refresh} />}
      {value === null && failure === null && (
        <div className="skeleton skeleton-table" role="status" aria-label="Loading dead letters" />
      )}
      {value?.dead_letters.length === 0 && (
        <p className="fine">No run was given up. What every try fails of is kept here for 90 days.</p>
      )}
      {value !== null && value.dead_letters.length > 0 && (
        <DeadLetterTable
          lines={value.dead_letters}
          now={now}
          onReplay={roleMay(tenant.role, 'dead_letter.replay') ? setChosen : null}
        />
      )}
      {value?.more === true && <p className="fine">Older dead letters are not listed.</p>}
      {chosen !== null && <ReplayDialog line={chosen} tenant={tenant} onClose={close} />}
    </section>
  )
}

type TableProps = {
  readonly lines: readonly Line[]
  readonly now: number
  /** Null for who may not. */
  readonly onReplay: ((line: Line) => void) | null
}

function DeadLetterTable({ lines, now, onReplay }: TableProps) {
  return (
    <table className="table">
      <caption className="fine">
        Runs that were given up after their last try. Times in UTC. A later run reads what they left out; replay one if
        none was complete since.
      </caption>
      <thead>
        <tr>
          <th scope="col">Credential</th>
          <th scope="col">Why</th>
          <th scope="col" className="end">
            Given up
          </th>
          <th scope="col">State</th>
        </tr>
      </thead>
      <tbody>
        {lines.map((line) => (
          <tr key={line.id}>
            <th scope="row" data-label="Credential">
              {line.label}
              <span className="fine">{kindText(line.kind)}</span>
            </th>
            <td data-label="Why">
              {runWords('failed', line.reason).meaning}
              <span className="fine">
                <code>{line.reason ?? 'none'}</code>, {leasesText(line.tries)}
              </span>
            </td>
            <td className="end" data-label="Given up">
              <time className="number" dateTime={line.died_at}>
                {formatDateTime(Date.parse(line.died_at), 'UTC')}
              </time>
              <span className="fine">{formatAge(Date.parse(line.died_at), now)}</span>
            </td>
            <td data-label="State">
              <Standing line={line} onReplay={onReplay} now={now} />
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  )
}

function Standing({ line, onReplay, now }: { readonly line: Line } & Pick<TableProps, 'onReplay' | 'now'>) {
  const { made_good, replay } = line
  return (
    <>
      <div className="actions">
        <span className={`badge ${made_good ? 'badge-good' : 'badge-unsure'}`}>{made_good ? 'made good' : 'open'}</span>
        {replay === null && onReplay !== null && (
          <button
            type="button"
            className="button-link"
            aria-label={`Replay the ${kindText(line.kind)} of ${line.label}`}
            onClick={() => onReplay(line)}
          >
            Replay
          </button>
        )}
      </div>
      {replay !== null && (
        <span className="fine">
          Replayed {formatAge(Date.parse(replay.at), now)}: {replayText(replay)}
        </span>
      )}
    </>
  )
}

type ReplayDialogProps = {
  readonly line: Line
  readonly tenant: Tenant
  readonly onClose: (done: boolean) => void
}

function ReplayDialog({ line, tenant, onClose }: ReplayDialogProps) {
  const { functions } = useWorkspace()
  const request = { tenant_id: tenant.id, job_id: line.id }
  return (
    <ActDialog
      title={`Replay the ${kindText(line.kind)} of ${line.label}?`}
      confirm="Replay"
      perform={(key) => functions.replayDeadLetter(request, key)}
      content={line.id}
      onClose={onClose}
    >
      <p>
        {runWords('failed', line.reason).meaning} A new run is made in its place and begins within a minute; this one is
        kept, with who replayed it.
      </p>
    </ActDialog>
  )
}
