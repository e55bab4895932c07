'use client'

import { ReceiptsResponse } from '../data/schemas.ts'
import { usePolled } from '../data/use-polled.ts'
import { useWorkspace } from '../session/workspace.tsx'
import { formatCount, formatDateTime } from '../view/format.ts'

const RECEIPT_POLL_MS = 60_000

/** The newest signed statement about the agency's audit log, and where anyone can fetch it. */
export function AuditFooter() {
  const { gateway, tenant } = useWorkspace()
  const { value, failure } = usePolled(tenant?.id ?? '', RECEIPT_POLL_MS, () =>
    gateway('/api/receipts', ReceiptsResponse),
  )
  const newest = value?.receipts.toSorted((a, b) => b.size - a.size)[0]
  return (
    <footer className="foot">
      <h2>Audit log</h2>
      {value === null && failure === null && <p>Looking for the newest receipt…</p>}
      {value === null && failure !== null && <p>The receipts could not be read; this page tries again by itself.</p>}
      {value !== null && newest === undefined && (
        <p>No receipt signed yet. The first one follows within minutes of the first record.</p>
      )}
      {newest !== undefined && (
        <p>
          Verified and signed {formatDateTime(Date.parse(newest.at), 'UTC')} UTC over{' '}
          <span className="number">{formatCount(newest.size)}</span> {newest.size === 1 ? 'record' : 'records'}.{' '}
          <a href={`/receipts/${newest.log}`}>Newest receipt</a>, <a href="/.well-known/log-keys.txt">key</a>
        </p>
      )}
    </footer>
  )
}
