'use client'

import { breachText, inclusionFaultText } from '../proof/breach-text.ts'
import { useWorkspace } from '../session/workspace.tsx'
import { FailureNotice } from '../shell/notice.tsx'
import { formatCount, formatInstant } from '../view/format.ts'
import type { Row } from './acts.ts'
import { type RowProof, useProof } from './use-proof.ts'

/** Whether the row is in the signed log, found out in this browser. */
export function RowProofSection({ row }: { readonly row: Row }) {
  const [proof, again] = useProof(row)
  return (
    <section className="proof" aria-labelledby="proof-title">
      <h3 id="proof-title">Proof</h3>
      {proof === null && (
        <p className="fine" role="status">
          Checking in this browser…
        </p>
      )}
      {proof?.ok === false && <FailureNotice failure={proof.failure} onRetry={again} />}
      {proof?.ok && <Verdict proof={proof.value} onRetry={again} />}
    </section>
  )
}

function Verdict({ proof, onRetry }: { readonly proof: RowProof; readonly onRetry: () => void }) {
  switch (proof.state) {
    case 'included':
      return <Included proof={proof} />
    case 'not_signed_yet':
      return (
        <div className="notice" role="status">
          <p>No receipt covers this row yet. One is signed within minutes.</p>
          <button type="button" className="button" onClick={onRetry}>
            Look again
          </button>
        </div>
      )
    case 'row_broken':
      return (
        <div className="notice notice-error" role="alert">
          <p>
            <strong>This row is not proved to be in the log.</strong> {inclusionFaultText(proof.fault)}
          </p>
          <p>The receipt itself is sound: {signedText(proof.receipt)}.</p>
        </div>
      )
    case 'receipt_broken':
      return (
        <div className="notice notice-error" role="alert">
          <p>
            <strong>This row is not proved to be in the log.</strong>{' '}
            {proof.check.state === 'broken' ? breachText(proof.check.breach) : 'No receipt was given.'}
          </p>
        </div>
      )
  }
}

function signedText({ size, at }: { readonly size: number; readonly at: number }): string {
  return `${formatCount(size)} ${size === 1 ? 'row' : 'rows'}, signed ${formatInstant(at)} UTC`
}

function Included({ proof }: { readonly proof: Extract<RowProof, { state: 'included' }> }) {
  const { tenant } = useWorkspace()
  const { receipt, before, hashes } = proof
  return (
    <div className="notice notice-good" role="status">
      <p>
        <strong>
          Included in the log of {formatCount(receipt.size)} {receipt.size === 1 ? 'row' : 'rows'} that was signed at{' '}
          {formatInstant(receipt.at)} UTC.
        </strong>
      </p>
      <ul className="checks">
        <li>
          <a href={`/receipts/${tenant?.id}/${receipt.size}`}>The receipt</a> is signed by {receipt.signedBy}, with the{' '}
          <a href="/.well-known/log-keys.txt">published key</a>.
        </li>
        <li>
          {hashes === 0
            ? 'The row’s hash alone is the root that it signs.'
            : `The row’s hash and ${hashes} ${hashes === 1 ? 'other leads' : 'others lead'} to the root that it signs.`}
        </li>
        <li>
          {before === null
            ? 'It is the first receipt that this browser has seen. Every later one must extend it.'
            : `It agrees with the last one that this browser saw (${signedText(before)}).`}
        </li>
      </ul>
    </div>
  )
}
