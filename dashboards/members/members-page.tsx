'use client'

import { useState } from 'react'
import { roleMay } from '../../domain/contracts/roles.ts'
import { type InvitationLine, type MemberLine, MembersResponse, type z } from '../data/schemas.ts'
import { usePolled } from '../data/use-polled.ts'
import { useWorkspace } from '../session/workspace.tsx'
import { FailureNotice } from '../shell/notice.tsx'
import { useShortcuts } from '../shell/shortcuts.ts'
import { formatDateTime } from '../view/format.ts'
import { EditMember } from './edit-member.tsx'
import { InviteForm } from './invite-form.tsx'
import { RoleTable } from './role-table.tsx'
import { ROLE_NAMES } from './words.ts'

const MEMBERS_POLL_MS = 60_000
type Member = z.output<typeof MemberLine>

export function MembersPage() {
  const { gateway, tenant, refreshTenants } = useWorkspace()
  const { value, failure, refresh } = usePolled(tenant?.id ?? '', MEMBERS_POLL_MS, () =>
    gateway('/api/members', MembersResponse),
  )
  const [edited, setEdited] = useState<Member | null>(null)
  useShortcuts({ r: refresh })
  const isManager = tenant !== null && roleMay(tenant.role, 'member.role')
  const changed = () => {
    setEdited(null)
    refresh()
    refreshTenants()
  }
  return (
    <>
      <div className="page-head">
        <h1>Members</h1>
      </div>
      {failure !== null && <FailureNotice failure={failure} onRetry={refresh} />}
      {value === null && failure === null && (
        <div className="skeleton skeleton-table" role="status" aria-label="Loading" />
      )}
      {value !== null && <MemberTable members={value.members} onEdit={isManager ? setEdited : null} />}
      {edited !== null && (
        <EditMember key={edited.user_id} member={edited} onChanged={changed} onClose={() => setEdited(null)} />
      )}
      {value !== null && isManager && (
        <>
          <Invitations lines={value.invitations} />
          <InviteForm onInvited={refresh} />
        </>
      )}
      <RoleTable />
    </>
  )
}

type MemberTableProps = { readonly members: readonly Member[]; readonly onEdit: ((member: Member) => void) | null }

function MemberTable({ members, onEdit }: MemberTableProps) {
  return (
    <table className="table">
      <caption className="fine">Without an authenticator app a member sees nothing yet. Times in UTC.</caption>
      <thead>
        <tr>
          <th scope="col">Person</th>
          <th scope="col">Role</th>
          <th scope="col">Authenticator</th>
          <th scope="col">Since</th>
          {onEdit !== null && <th scope="col">Change</th>}
        </tr>
      </thead>
      <tbody>
        {members.map((member) => (
          <tr key={member.user_id}>
            <th scope="row" data-label="Person">
              {member.email ?? member.user_id}
            </th>
            <td data-label="Role">{ROLE_NAMES[member.role]}</td>
            <td data-label="Authenticator">{member.totp_enrolled ? 'set up' : 'not yet'}</td>
            <td data-label="Since">
              <When at={member.created_at} />
            </td>
            {onEdit !== null && (
              <td data-label="Change">
                <button
                  type="button"
                  className="button button-quiet"
                  aria-label={`Change ${member.email ?? member.user_id}`}
                  onClick={() => onEdit(member)}
                >
                  Change
                </button>
              </td>
            )}
          </tr>
        ))}
      </tbody>
    </table>
  )
}

function Invitations({ lines }: { readonly lines: readonly z.output<typeof InvitationLine>[] }) {
  if (lines.length === 0) return <p className="fine">No invitation is open.</p>
  return (
    <table className="table">
      <caption>Open invitations</caption>
      <thead>
        <tr>
          <th scope="col">Address</th>
          <th scope="col">Role</th>
          <th scope="col">Until</th>
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
          </tr>
        ))}
      </tbody>
    </table>
  )
}

function When({ at }: { readonly at: string }) {
  return (
    <time className="number" dateTime={at}>
      {formatDateTime(Date.parse(at), 'UTC')}
    </time>
  )
}
