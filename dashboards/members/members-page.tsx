'use client'

import { useState } from 'react'
import { roleMay } from '../../domain/contracts/roles.ts'
import { type MemberLine, MembersResponse, type z } from '../data/schemas.ts'
import { usePolled } from '../data/use-polled.ts'
import { useWorkspace } from '../session/workspace.tsx'
import { FailureNotice } from '../shell/notice.tsx'
import { useShortcuts } from '../shell/shortcuts.ts'
import { EditMember } from './edit-member.tsx'
import { Invitations } from './invitations.tsx'
import { InviteForm } from './invite-form.tsx'
import { MemberTable } from './member-table.tsx'
import { OpenResets } from './open-resets.tsx'
import { ResetMember } from './reset-member.tsx'
import { RoleTable } from './role-table.tsx'

const MEMBERS_POLL_MS = 60_000
type Chosen = { readonly member: z.output<typeof MemberLine>; readonly act: 'edit' | 'reset' }

export function MembersPage() {
  const { gateway, tenant, refreshTenants } = useWorkspace()
  const { value, failure, refresh } = usePolled(tenant?.id ?? '', MEMBERS_POLL_MS, () =>
    gateway('/api/members', MembersResponse),
  )
  const [chosen, setChosen] = useState<Chosen | null>(null)
  useShortcuts({ r: refresh })
  const isManager = tenant !== null && roleMay(tenant.role, 'member.role')
  const close = () => setChosen(null)
  const changed = () => {
    close()
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
      {value !== null && (
        <MemberTable
          members={value.members}
          onChosen={isManager ? (member, act) => setChosen({ member, act }) : null}
        />
      )}
      {chosen?.act === 'edit' && (
        <EditMember key={chosen.member.user_id} member={chosen.member} onChanged={changed} onClose={close} />
      )}
      {chosen?.act === 'reset' && (
        <ResetMember key={chosen.member.user_id} member={chosen.member} onRequested={changed} onClose={close} />
      )}
      {value !== null && isManager && (
        <>
          <OpenResets lines={value.resets} members={value.members} onCancelled={refresh} />
          <Invitations lines={value.invitations} onWithdrawn={refresh} />
          <InviteForm onInvited={refresh} />
        </>
      )}
      <RoleTable />
    </>
  )
}
