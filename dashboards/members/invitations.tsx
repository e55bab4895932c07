'use client'

import type { InvitationLine, z } from '../data/schemas.ts'
import { useWorkspace } from '../session/workspace.tsx'
import { ActFailure } from './act-failure.tsx'
import { useWithdrawal } from './use-withdrawal.ts'
import { When } from './when.tsx'
import { ROLE_NAMES } from './words.ts'

type InvitationsProps = { readonly lines: readonly z.output<typeof InvitationLine>[]; readonly onWithdrawn: () => void }

export function Invitations({ lines, onWithdrawn }: InvitationsProps) {
  const { functions, tenant } = useWorkspace()
  const { busy, failure, run, resume } = useWithdrawal(onWithdrawn)
  if (tenant === null) return null
  if (lines.length === 0) return <p className="fine">No invitation is open.</p>
  return (
    <>
      <table className="table">
        <caption>Open invitations</caption>
        <thead>
          <tr>
            <th scope="col">Address</th>
            <th scope="col">Role</th>
            <th scope="col">Until</th>
            <th scope="col">Withdraw</th>
          </tr>
        </thead>
        <tbody>
          {lines.map(({ id, email, role, expires_at }) => (
            <tr key={id}>
              <th scope="row" data-label="Address">
                {email}
              </th>
              <td data-label="Role">{ROLE_NAMES[role]}</td>
              <td data-label="Until">
                <When at={expires_at} />
              </td>
              <td data-label="Withdraw">
                <button
                  type="button"
                  className="button button-quiet"
                  aria-label={`Withdraw the invitation of ${email}`}
                  disabled={busy}
                  onClick={() => void run(() => functions.withdrawInvitation(tenant.id, id))}
                >
                  Withdraw
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
