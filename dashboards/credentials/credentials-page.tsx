'use client'

import Link from 'next/link'
import { type ReactNode, useEffect, useState } from 'react'
import { PROVIDERS } from '../../domain/providers/registry.ts'
import { CredentialsResponse, POLL_SECONDS, SitesResponse } from '../data/schemas.ts'
import { usePolled } from '../data/use-polled.ts'
import { useWorkspace } from '../session/workspace.tsx'
import { FailureNotice, Notice } from '../shell/notice.tsx'
import { useShortcuts } from '../shell/shortcuts.ts'
import { useNow } from '../shell/use-now.ts'
import { formatAge, formatDateTime } from '../view/format.ts'
import { GradeBadge } from './badges.tsx'
import { CredentialActs } from './credential-acts.tsx'
import { healthOf, type Line } from './health.ts'
import { HealthBadge, HealthWords } from './health-notice.tsx'
import { HealthTable } from './health-table.tsx'
import { HistoryProgress } from './history-progress.tsx'
import { WebhookTable } from './webhook-table.tsx'

const CREDENTIAL_POLL_MS = 60_000
/** While history arrives, so that its progress is seen to move. */
const ARRIVING_POLL_MS = 10_000

export function CredentialsPage() {
  const { gateway, tenant } = useWorkspace()
  const [everyMs, setEveryMs] = useState(CREDENTIAL_POLL_MS)
  const { value, failure, refresh } = usePolled(tenant?.id ?? '', everyMs, () =>
    gateway('/api/credentials', CredentialsResponse),
  )
  const arrives = value?.credentials.some(({ history }) => history?.state === 'open') ?? false
  useEffect(() => setEveryMs(arrives ? ARRIVING_POLL_MS : CREDENTIAL_POLL_MS), [arrives])
  const sites = usePolled(tenant?.id ?? '', CREDENTIAL_POLL_MS, () => gateway('/api/sites', SitesResponse))
  const now = useNow()
  const [said, setSaid] = useState<string | null>(null)
  const done = (text: string) => {
    setSaid(text)
    refresh()
  }
  useShortcuts({ r: refresh })
  return (
    <>
      <div className="page-head">
        <h1>Credentials</h1>
        <Link href="/operator-keys/" className="button button-quiet">
          Operator keys
        </Link>
        <Link href="/connect/" className="button">
          Connect a provider
        </Link>
      </div>
      {said !== null && <Notice>{said}</Notice>}
      {failure !== null && <FailureNotice failure={failure} onRetry={refresh} />}
      {value === null && failure === null && (
        <div className="skeleton skeleton-table" role="status" aria-label="Loading" />
      )}
      {value?.credentials.length === 0 && (
        <div className="empty">
          <p>No credential is stored yet. Connect a provider to see its sites.</p>
        </div>
      )}
      {value !== null && value.credentials.length > 0 && (
        <CredentialTable lines={value.credentials.filter(({ webhook_of }) => webhook_of === null)}>
          {(line) =>
            tenant !== null &&
            line.deleted_at === null && (
              <CredentialActs line={line} tenant={tenant} sites={sites.value?.sites ?? []} now={now} onDone={done} />
            )
          }
        </CredentialTable>
      )}
      {value !== null && <HealthTable lines={value.credentials} now={now} />}
      {value !== null && tenant !== null && (
        <WebhookTable lines={value.credentials} tenant={tenant} now={now} onDone={done} />
      )}
    </>
  )
}

/** V6: the last four characters and the scope, nothing more of the secret. */
type CredentialTableProps = { readonly lines: readonly Line[]; readonly children: (line: Line) => ReactNode }

function CredentialTable({ lines, children }: CredentialTableProps) {
  const now = useNow()
  const { tenant } = useWorkspace()
  return (
    <table className="table">
      <caption className="fine">
        Times in UTC. Keys are sealed; only their last four characters are ever shown.
        {tenant !== null && ` Each is polled every ${POLL_SECONDS[tenant.tier] / 60} min (tier ${tenant.tier}).`}
      </caption>
      <thead>
        <tr>
          <th scope="col">Label</th>
          <th scope="col">Token</th>
          <th scope="col">Scope</th>
          <th scope="col">State</th>
          <th scope="col" className="end">
            Last used
          </th>
          <th scope="col" className="end">
            Last success
          </th>
        </tr>
      </thead>
      <tbody>
        {lines.map((line) => (
          <tr key={line.id}>
            <th scope="row" data-label="Label">
              {line.label}
              <span className="fine">{PROVIDERS[line.provider].label}</span>
            </th>
            <td data-label="Token">
              <code>····{line.last4}</code>
            </td>
            <td data-label="Scope">
              <GradeBadge grade={line.grade} />
              <ScopeWords line={line} />
            </td>
            <td data-label="State">
              <HealthBadge health={healthOf(line, now)} />
              <HealthWords health={healthOf(line, now)} />
              {line.deleted_at === null && <HistoryProgress line={line} />}
              {children(line)}
            </td>
            <When label="Last used" at={line.last_used_at} now={now} />
            <When label="Last success" at={line.last_success_at} now={now} />
          </tr>
        ))}
      </tbody>
    </table>
  )
}

/** T5: what the provider lists for the key, and what of it nobody needs. */
function ScopeWords({ line: { scope, excess } }: { readonly line: Line }) {
  return (
    <>
      <span className="fine">{scope}</span>
      {excess.length > 0 && <span className="fine">More than needed: {excess.join(', ')}</span>}
    </>
  )
}

function When({ label, at, now }: { readonly label: string; readonly at: string | null; readonly now: number }) {
  return (
    <td className="end" data-label={label}>
      {at === null ? (
        <span className="fine">never</span>
      ) : (
        <>
          <time className="number" dateTime={at}>
            {formatDateTime(Date.parse(at), 'UTC')}
          </time>
          <span className="fine">{formatAge(Date.parse(at), now)}</span>
        </>
      )}
    </td>
  )
}
