'use client'

import type { MemberLine, MemberResetLine, z } from '../data/schemas.ts'
import { useWorkspace } from '../session/workspace.tsx'
import { ActFailure } from './act-failure.tsx'
import { useWithdrawal } from './use-withdrawal.ts'
import { When } from './when.tsx'

type OpenResetsProps = {
  readonly lines: readonly z.output<typeof MemberResetLine>[]
  readonly members: readonly z.output<typeof MemberLine>[]
  readonly onCancelled: () => void
}

/** Every owner sees every one, also of an agency that did not ask: cancelling is how one that nobody knows of is stopped. */
export function OpenResets({ lines, members, onCancelled }: OpenResetsProps) {
  const { functions, tenant } = useWorkspace()
  const { busy, failure, run, resume } = useWithdrawal(onCancelled)
  if (tenant === null || (lines.length === 0 && failure === null)) return null
  const nameOf = (id: string) => members.find(({ user_id }) => user_id === id)?.email ?? id
  return (
    <>
      <table className="table">
        <caption>
          Open resets of sign-in. Between the two times the person can remove their authenticator with their password
          alone.
        </caption>
        <thead>
          <tr>
            <th scope="col">Person</th>
            <th scope="col">From</th>
            <th scope="col">Until</th>
            <th scope="col">Cancel</th>
          </tr>
        </thead>
        <tbody>
          {lines.map(({ user_id, due_at, expires_at }) => (
            <tr key={user_id}>
              <th scope="row" data-label="Person">
                {nameOf(user_id)}
              </th>
              <td data-label="From">
                <When at={due_at} />
              </td>
              <td data-label="Until">
                <When at={expires_at} />
              </td>
              <td data-label="Cancel">
                <button
                  type="button"
                  className="button button-quiet"
                  aria-label={`Cancel the reset of ${nameOf(user_id)}`}
                  disabled={busy}
                  onClick={() => void run(() => functions.withdrawMemberReset(tenant.id, user_id))}
                >
                  Cancel
                </button>
              </td>
            </tr>
          ))}
        </tbody>
      </table>
      <ActFailure failure={failure} onVerified={resume} />
    </>
  )
}
