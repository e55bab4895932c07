'use client'

import type { MemberLine, z } from '../data/schemas.ts'
import { useWorkspace } from '../session/workspace.tsx'
import { When } from './when.tsx'
import { ROLE_NAMES } from './words.ts'

type Member = z.output<typeof MemberLine>
type OnChosen = (member: Member, act: 'edit' | 'reset') => void
type MemberTableProps = { readonly members: readonly Member[]; readonly onChosen: OnChosen | null }

export function MemberTable({ members, onChosen }: MemberTableProps) {
  return (
    <table className="table">
      <caption className="fine">Without an authenticator app a member sees nothing yet. Times in UTC.</caption>
      <thead>
        <tr>
          <th scope="col">Person</th>
          <th scope="col">Role</th>
          <th scope="col">Authenticator</th>
          <th scope="col">Since</th>
          {onChosen !== null && <th scope="col">Change</th>}
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
            {onChosen !== null && (
              <td data-label="Change">
                <Choices member={member} onChosen={onChosen} />
              </td>
            )}
          </tr>
        ))}
      </tbody>
    </table>
  )
}

function Choices({ member, onChosen }: { readonly member: Member; readonly onChosen: OnChosen }) {
  const { userId } = useWorkspace()
  const name = member.email ?? member.user_id
  return (
    <>
      <button
        type="button"
        className="button button-quiet"
        aria-label={`Change ${name}`}
        onClick={() => onChosen(member, 'edit')}
      >
        Change
      </button>
      {member.totp_enrolled && member.user_id !== userId && (
        <button
          type="button"
          className="button button-quiet"
          aria-label={`Reset sign-in of ${name}`}
          onClick={() => onChosen(member, 'reset')}
        >
          Reset sign-in
        </button>
      )}
    </>
  )
}
