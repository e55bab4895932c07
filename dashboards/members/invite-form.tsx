'use client'

import { type SubmitEvent, useRef } from 'react'
import { Role } from '../../domain/contracts/roles.ts'
import { useWorkspace } from '../session/workspace.tsx'
import { Card } from '../shell/card.tsx'
import { ActFailure } from './act-failure.tsx'
import { RoleSelect } from './role-select.tsx'
import { useMemberAct } from './use-member-act.ts'

const MAX_EMAIL = 254

export function InviteForm({ onInvited }: { readonly onInvited: () => void }) {
  const { functions, tenant } = useWorkspace()
  const email = useRef<HTMLInputElement>(null)
  const role = useRef<HTMLSelectElement>(null)
  /** Of what the form says now: sent again as it is, it is the same invitation. */
  const invitationId = useRef<string | null>(null)
  const edited = () => {
    invitationId.current = null
  }
  const { busy, failure, run, resume } = useMemberAct(() => {
    edited()
    if (email.current !== null) email.current.value = ''
    onInvited()
  })
  if (tenant === null) return null

  const submit = (event: SubmitEvent) => {
    event.preventDefault()
    invitationId.current ??= crypto.randomUUID()
    const request = {
      tenant_id: tenant.id,
      invitation_id: invitationId.current,
      email: (email.current?.value ?? '').trim().toLowerCase(),
      role: Role.parse(role.current?.value),
    }
    void run({
      action: 'member.invite',
      targetId: request.invitation_id,
      request,
      send: (proof) => functions.inviteMember(request, proof),
    })
  }

  return (
    <Card title="Invite a person">
      <form className="form" onSubmit={submit} onChange={edited}>
        <div className="field">
          <label htmlFor="invite-email">Email</label>
          <input
            id="invite-email"
            ref={email}
            type="email"
            className="input"
            autoComplete="off"
            maxLength={MAX_EMAIL}
            required
          />
          <p className="fine">They get a mail with a link that works once, for 7 days, for this address alone.</p>
        </div>
        <RoleSelect select={role} id="invite-role" value="viewer" />
        <button type="submit" className="button button-primary" disabled={busy}>
          {busy ? 'Inviting…' : 'Send invitation'}
        </button>
      </form>
      <ActFailure failure={failure} onVerified={resume} />
    </Card>
  )
}
