'use client'

import { useState } from 'react'
import { SessionsEnded, SessionsResponse, type z } from '../data/schemas.ts'
import { usePolled } from '../data/use-polled.ts'
import { type Failure, failed } from '../data/wire.ts'
import { useSession } from '../session/session.tsx'
import { useWorkspace } from '../session/workspace.tsx'
import { FailureNotice } from '../shell/notice.tsx'
import { useNow } from '../shell/use-now.ts'
import { formatAge, formatDateTime } from '../view/format.ts'
import { deviceText } from './device.ts'

const POLL_MS = 60_000
type Line = z.output<typeof SessionsResponse>['sessions'][number]

/** Where one is signed in, and how to be so no more. For who has given a code: the lines name devices and addresses. */
export function SessionList() {
  const { gateway } = useWorkspace()
  const { value, failure, refresh } = usePolled('sessions', POLL_MS, () => gateway('/api/sessions', SessionsResponse))
  const { end, busy, ended, refused } = useEnding(refresh)
  const problem = refused ?? failure
  return (
    <section className="panel" aria-labelledby="sessions">
      <header className="panel-head">
        <h2 id="sessions">Sessions</h2>
      </header>
      <p className="fine">
        A session lasts 24 hours at most, and ends after one hour without use. What is ended here is dead at once.
      </p>
      {problem !== null && <FailureNotice failure={problem} onRetry={refresh} />}
      {value === null && failure === null && (
        <div className="skeleton skeleton-table" role="status" aria-label="Loading" />
      )}
      {value !== null && <Lines lines={value.sessions} busy={busy} onEnd={end} />}
      <p className="fine" role="status">
        {ended !== null && endedText(ended)}
      </p>
      {value !== null && (
        <div className="actions">
          <button
            type="button"
            className="button"
            disabled={busy || value.sessions.length < 2}
            onClick={() => end({ path: '?which=others', leaves: false })}
          >
            End all others
          </button>
          <button
            type="button"
            className="button"
            disabled={busy}
            onClick={() => end({ path: '?which=all', leaves: true })}
          >
            End all and sign out
          </button>
        </div>
      )}
    </section>
  )
}

/** What to end, and whether this session is among it. */
type Ending = { readonly path: string; readonly leaves: boolean }

function useEnding(onEnded: () => void) {
  const { gateway } = useWorkspace()
  const { leave } = useSession()
  const [busy, setBusy] = useState(false)
  const [ended, setEnded] = useState<number | null>(null)
  const [refused, setRefused] = useState<Failure | null>(null)

  const end = async ({ path, leaves }: Ending) => {
    setBusy(true)
    setRefused(null)
    setEnded(null)
    const answer = await gateway(`/api/sessions${path}`, SessionsEnded, 'DELETE')
    setBusy(false)
    if (!answer.ok) return setRefused(answer.failure)
    if (leaves) return leave(failed('session_ended').failure)
    setEnded(answer.value.ended)
    onEnded()
  }
  return { end, busy, ended, refused }
}

type LinesProps = {
  readonly lines: readonly Line[]
  readonly busy: boolean
  readonly onEnd: (ending: Ending) => Promise<void>
}

function Lines({ lines, busy, onEnd }: LinesProps) {
  const now = useNow()
  return (
    <table className="table">
      <caption className="fine">The device is what the client says of itself. Times in UTC.</caption>
      <thead>
        <tr>
          <th scope="col">Device</th>
          <th scope="col">Address</th>
          <th scope="col">Begun</th>
          <th scope="col">Last used</th>
          <th scope="col">Proof</th>
          <th scope="col">End</th>
        </tr>
      </thead>
      <tbody>
        {lines.map(({ id, user_agent, ip, begun_at, used_at, aal, current }) => (
          <tr key={id}>
            <th scope="row" data-label="Device">
              {deviceText(user_agent)}
              {current && ' (this one)'}
            </th>
            <td data-label="Address">{ip ?? 'unknown'}</td>
            <td data-label="Begun">
              <time className="number" dateTime={begun_at}>
                {formatDateTime(Date.parse(begun_at), 'UTC')}
              </time>
            </td>
            <td data-label="Last used">{formatAge(Date.parse(used_at), now)}</td>
            <td data-label="Proof">{aal === 'aal2' ? 'password and code' : 'password alone'}</td>
            <td data-label="End">
              <button
                type="button"
                className="button button-quiet"
                disabled={busy}
                aria-label={`End ${deviceText(user_agent)}, begun ${formatDateTime(Date.parse(begun_at), 'UTC')}`}
                onClick={() => onEnd({ path: `/${id}`, leaves: current })}
              >
                End
              </button>
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  )
}

function endedText(ended: number): string {
  if (ended === 0) return 'No other session was there.'
  return ended === 1 ? '1 session was ended.' : `${ended} sessions were ended.`
}
