'use client'

import { useState } from 'react'
import { FreshCode } from '../connect/fresh-code.tsx'
import { needsCode } from '../data/failure-text.ts'
import type { OperatorKey, OperatorKeyState, z } from '../data/schemas.ts'
import type { Failure } from '../data/wire.ts'
import { useSession } from '../session/session.tsx'
import { useWorkspace } from '../session/workspace.tsx'
import { FailureNotice } from '../shell/notice.tsx'
import { formatDateTime } from '../view/format.ts'
import { Fingerprint } from './fingerprint.tsx'

type Line = z.output<typeof OperatorKey.listed>['keys'][number]
type KeyTableProps = { readonly keys: readonly Line[]; readonly onRemoved: () => void }

/** Every owner sees every key, also one that waits: removing is how a key that nobody knows of is stopped. */
export function KeyTable({ keys, onRemoved }: KeyTableProps) {
  const { functions, tenant, userId } = useWorkspace()
  const { recheck } = useSession()
  const [refused, setRefused] = useState<{ readonly line: Line; readonly failure: Failure } | null>(null)
  const [busy, setBusy] = useState(false)

  const remove = async (line: Line) => {
    if (tenant === null) return
    setBusy(true)
    setRefused(null)
    const answer = await functions.removeOperatorKey(tenant.id, line.key_id)
    setBusy(false)
    if (answer.ok) onRemoved()
    else setRefused({ line, failure: answer.failure })
  }
  const verified = async () => {
    if (refused === null) return
    await recheck()
    await remove(refused.line)
  }
  return (
    <>
      {refused !== null && !needsCode(refused.failure) && <FailureNotice failure={refused.failure} />}
      {refused !== null && needsCode(refused.failure) && <FreshCode failure={refused.failure} onVerified={verified} />}
      <table className="table">
        <caption className="fine">Times in UTC. A removed key is gone for good; make another in its place.</caption>
        <thead>
          <tr>
            <th scope="col">Fingerprint</th>
            <th scope="col">Member</th>
            <th scope="col">State</th>
            <th scope="col">
              <span className="fine">Remove</span>
            </th>
          </tr>
        </thead>
        <tbody>
          {keys.map((line) => (
            <tr key={line.key_id}>
              <th scope="row" data-label="Fingerprint">
                <Fingerprint keyId={line.key_id} />
              </th>
              <td data-label="Member">{line.user_id === userId ? 'You' : line.user_id}</td>
              <td data-label="State">{stateText(line)}</td>
              <td>
                <button type="button" className="button" disabled={busy} onClick={() => void remove(line)}>
                  Remove
                </button>
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </>
  )
}

const WORDS: Readonly<Record<OperatorKeyState, string>> = {
  active: 'active since',
  waiting: 'waits until',
  unannounced: 'not finished: enrol it again',
}

function stateText({ state, active_at }: Line): string {
  return active_at === null ? WORDS[state] : `${WORDS[state]} ${formatDateTime(Date.parse(active_at), 'UTC')}`
}
