'use client'

import Link from 'next/link'
import { incidentWords, partWords } from '../../domain/incidents/words.ts'
import { IncidentsResponse } from '../data/schemas.ts'
import { usePolled } from '../data/use-polled.ts'
import { useWorkspace } from '../session/workspace.tsx'
import { FailureNotice } from '../shell/notice.tsx'
import { useShortcuts } from '../shell/shortcuts.ts'
import { useNow } from '../shell/use-now.ts'
import { formatAge, formatCount, formatDateTime } from '../view/format.ts'
import { DeadLetters } from './dead-letters.tsx'
import type { Incident } from './notable.ts'

const INCIDENT_POLL_MS = 60_000

export function IncidentsPage() {
  const { gateway, tenant, account } = useWorkspace()
  const now = useNow()
  const { value, failure, refresh } = usePolled(tenant?.id ?? '', INCIDENT_POLL_MS, () =>
    gateway('/api/incidents', IncidentsResponse),
  )
  useShortcuts({ r: refresh })
  return (
    <>
      <div className="page-head">
        <h1>Incidents</h1>
        <button type="button" className="button" onClick={refresh} title="Read again (r)">
          Refresh
        </button>
      </div>
      {failure !== null && <FailureNotice failure={failure} onRetry={refresh} />}
      {value === null && failure === null && (
        <div className="skeleton skeleton-table" role="status" aria-label="Loading" />
      )}
      {value?.incidents.length === 0 && <NoIncident />}
      {value !== null && value.incidents.length > 0 && (
        <>
          <p className="fine">{openText(value.open)} The agency’s owners are mailed about each. Times in UTC.</p>
          <ol className="incidents">
            {value.incidents.map((incident) => (
              <IncidentItem key={incident.id} incident={incident} />
            ))}
          </ol>
          {value.more && <p className="fine">Older incidents are not listed.</p>}
        </>
      )}
      {account.aal === 'aal2' && tenant !== null && <DeadLetters key={tenant.id} tenant={tenant} now={now} />}
    </>
  )
}

function openText(open: number): string {
  if (open === 0) return 'No incident is open.'
  return open === 1 ? 'One incident is open.' : `${formatCount(open)} incidents are open.`
}

function NoIncident() {
  return (
    <div className="empty">
      <h2>Nothing went wrong so far</h2>
      <p>
        The audit log is checked every few minutes, and each night from end to end. What does not hold, a use of keys
        that is out of the ordinary or work that was given up is told here, and mailed to the owners.
      </p>
    </div>
  )
}

function IncidentItem({ incident }: { readonly incident: Incident }) {
  const { kind, seq, part, at, acknowledged_at } = incident
  const { title, meaning, next, grave } = incidentWords(kind)
  const now = useNow()
  return (
    <li>
      <article className={`notice ${grave ? 'notice-error' : 'notice-ask'}`} aria-labelledby={incident.id}>
        <div className="incident-head">
          <h2 id={incident.id}>{title}</h2>
          {acknowledged_at === null ? (
            <span className={`badge ${grave ? 'badge-bad' : 'badge-unsure'}`}>open</span>
          ) : (
            <span className="badge">acknowledged</span>
          )}
        </div>
        <p>{meaning}</p>
        <p>
          <strong>What to do:</strong> {next}
        </p>
        <dl className="fields incident-facts">
          <div>
            <dt>First bad row</dt>
            <dd>{seq === null ? 'none' : <Link href={`/audit/#${seq}`}>Row {seq} of the audit log</Link>}</dd>
          </div>
          <div>
            <dt>Found</dt>
            <dd>
              <time className="number" dateTime={at}>
                {formatDateTime(Date.parse(at), 'UTC')}
              </time>
              , {formatAge(Date.parse(at), now)}
            </dd>
          </div>
          <div>
            <dt>Found by</dt>
            <dd>
              {partWords(part)} (<code>{kind}</code>)
            </dd>
          </div>
        </dl>
      </article>
    </li>
  )
}
