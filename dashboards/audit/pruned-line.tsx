'use client'

import { ReceiptsResponse } from '../data/schemas.ts'
import { usePolled } from '../data/use-polled.ts'
import type { Answer } from '../data/wire.ts'
import { checkPruning, type Pruned, type PruningCheck } from '../proof/certificate.ts'
import { browserTools, useLogCheck } from '../proof/log-check-provider.tsx'
import { useWorkspace } from '../session/workspace.tsx'
import { formatCount } from '../view/format.ts'

const PRUNED_POLL_MS = 5 * 60_000
type CheckedPruning = { readonly pruned: Pruned; readonly check: PruningCheck } | 'whole'

/** Where the log begins, once its first months were pruned, and what this browser made of the certificate that says so. */
export function PrunedLine() {
  const { tenant, gateway } = useWorkspace()
  const { value: receipt } = useLogCheck()
  const log = tenant?.id ?? ''
  // Anew when the receipt that the certificate is held against has been checked.
  const { value } = usePolled<CheckedPruning>(`${log} ${receipt?.state}`, PRUNED_POLL_MS, async () => {
    const answer = await gateway('/api/receipts', ReceiptsResponse)
    return answer.ok ? checked(log, answer.value.pruned) : answer
  })
  if (value === null || value === 'whole') return null
  const { pruned, check } = value
  const certificate = <a href={pruned.url}>the certificate of {monthOf(pruned.epoch)}</a>
  const rows = `Rows 1 to ${formatCount(pruned.through_seq)}`
  switch (check) {
    case 'certified':
      return (
        <p className="verified fine">
          {rows} were pruned a year after their month, under {certificate}. That it is signed, and that the log goes on
          from it, was checked in this browser.
        </p>
      )
    case 'unchecked':
      return (
        <p className="verified fine">
          {rows} were pruned a year after their month, under {certificate}, which this browser has not checked.
        </p>
      )
    case 'not_certified':
      return (
        <div className="notice notice-error" role="alert">
          <p>
            <strong>
              {rows} are missing, and what is given out as {certificate} does not vouch for them.
            </strong>{' '}
            Do not rely on this log until it is explained: ask the operator.
          </p>
        </div>
      )
  }
}

async function checked(log: string, pruned: Pruned | null): Promise<Answer<CheckedPruning>> {
  if (pruned === null) return { ok: true, value: 'whole' }
  const check = await checkPruning(log, pruned, browserTools())
  return check.ok ? { ok: true, value: { pruned, check: check.value } } : check
}

function monthOf(epoch: number): string {
  return `${Math.floor(epoch / 100)}-${String(epoch % 100).padStart(2, '0')}`
}
