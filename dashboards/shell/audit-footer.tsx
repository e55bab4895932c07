'use client'

import { useLogCheck } from '../proof/log-check-provider.tsx'
import { useWorkspace } from '../session/workspace.tsx'
import { formatCount, formatDateTime } from '../view/format.ts'

/** The newest signed statement about the agency's audit log, as this browser checked it, and where anyone can fetch it. */
export function AuditFooter() {
  const { tenant } = useWorkspace()
  const { value, failure } = useLogCheck()
  return (
    <footer className="foot">
      <h2>Audit log</h2>
      {value === null && failure === null && <p>Looking for the newest receipt…</p>}
      {value === null && failure !== null && <p>The newest receipt could not be checked; this page tries again.</p>}
      {value?.state === 'unsigned' && (
        <p>No receipt signed yet. The first one follows within minutes of the first record.</p>
      )}
      {value?.state === 'broken' && <p>The newest receipt does not verify: see the top of this page.</p>}
      {value?.state === 'sound' && (
        <p>
          Verified and signed {formatDateTime(value.receipt.at, 'UTC')} UTC over{' '}
          <span className="number">{formatCount(value.receipt.size)}</span>{' '}
          {value.receipt.size === 1 ? 'record' : 'records'}. <a href={`/receipts/${tenant?.id}`}>Newest receipt</a>,{' '}
          <a href="/.well-known/log-keys.txt">key</a>
        </p>
      )}
    </footer>
  )
}
