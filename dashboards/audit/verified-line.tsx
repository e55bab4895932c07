'use client'

import { useLogCheck } from '../proof/log-check-provider.tsx'
import { useWorkspace } from '../session/workspace.tsx'
import { FailureNotice } from '../shell/notice.tsx'
import { formatCount, formatInstant } from '../view/format.ts'

/** Up to which row the log is signed for, and what this browser made of it. A breach is told above every page. */
export function VerifiedLine() {
  const { tenant } = useWorkspace()
  const { value, failure, refresh } = useLogCheck()
  if (value === null) {
    return failure === null ? (
      <p className="verified fine" role="status">
        Checking the newest receipt in this browser…
      </p>
    ) : (
      <FailureNotice failure={failure} onRetry={refresh} />
    )
  }
  if (value.state === 'broken') return <p className="verified">Not verified: see above.</p>
  if (value.state === 'unsigned') {
    return <p className="verified">Nothing is signed yet. The first receipt follows within minutes.</p>
  }
  const { receipt, before } = value
  return (
    <div className="verified">
      <p>
        <span className="badge badge-good">Verified</span> to row{' '}
        <strong className="number">{formatCount(receipt.size)}</strong> at {formatInstant(receipt.at)} UTC by{' '}
        <a href={`/receipts/${tenant?.id}/${receipt.size}`}>receipt {receipt.size}</a>.
      </p>
      <p className="fine">
        Its signature was checked in this browser.{' '}
        {before === null || before.size === receipt.size
          ? 'It is remembered here, and every later receipt must extend it.'
          : `It extends the receipt over ${formatCount(before.size)} rows that this browser saw before.`}
      </p>
    </div>
  )
}
