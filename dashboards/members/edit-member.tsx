'use client'

import { type SubmitEvent, useRef, useState } from 'react'
import { Role } from '../../domain/contracts/roles.ts'
import type { MemberLine, MemberRole, z } from '../data/schemas.ts'
import { useWorkspace } from '../session/workspace.tsx'
import { Card } from '../shell/card.tsx'
import { ActFailure } from './act-failure.tsx'
import { RoleSelect } from './role-select.tsx'
import { useMemberAct } from './use-member-act.ts'

type EditMemberProps = {
  readonly member: z.output<typeof MemberLine>
  readonly onChanged: () => void
  readonly onClose: () => void
}

export function EditMember({ member, onChanged, onClose }: EditMemberProps) {
  const { functions, tenant } = useWorkspace()
  const role = useRef<HTMLSelectElement>(null)
  const [removing, setRemoving] = useState(false)
  const { busy, failure, run, resume } = useMemberAct(onChanged)
  if (tenant === null) return null

  const change = (request: z.output<typeof MemberRole.request>) =>
    run({
      action: request.act,
      targetId: member.user_id,
      request,
      send: (proof) => functions.changeMember(request, proof),
    })
  const named = { tenant_id: tenant.id, member_id: member.user_id }
  const submit = (event: SubmitEvent) => {
    event.preventDefault()
    void change({ ...named, act: 'member.role', role: Role.parse(role.current?.value) })
  }

  return (
    <Card title={`Change ${member.email ?? member.user_id}`}>
      <form className="form" onSubmit={submit}>
        <RoleSelect select={role} id="member-role" value={member.role} />
        <div className="actions">
          <button type="submit" className="button button-primary" disabled={busy}>
            Save role
          </button>
          <button
            type="button"
            className="button"
            disabled={busy}
            aria-expanded={removing}
            onClick={() => setRemoving(true)}
          >
            Remove…
          </button>
          <button type="button" className="button button-quiet" disabled={busy} onClick={onClose}>
            Cancel
          </button>
        </div>
      </form>
      {removing && (
        <RemovalQuestion
          name={member.email ?? member.user_id}
          busy={busy}
          onRemove={() => void change({ ...named, act: 'member.remove' })}
          onKeep={() => setRemoving(false)}
        />
      )}
      <ActFailure failure={failure} onVerified={resume} />
    </Card>
  )
}

type RemovalQuestionProps = {
  readonly name: string
  readonly busy: boolean
  readonly onRemove: () => void
  readonly onKeep: () => void
}

function RemovalQuestion({ name, busy, onRemove, onKeep }: RemovalQuestionProps) {
  return (
    <section aria-label={`Remove ${name}?`}>
      <p>Remove {name}? They lose access at once, in every session, and need a new invitation to come back.</p>
      <div className="actions">
        <button type="button" className="button button-primary" disabled={busy} onClick={onRemove}>
          Remove from the agency
        </button>
        <button type="button" className="button button-quiet" disabled={busy} onClick={onKeep}>
          Keep
        </button>
      </div>
    </section>
  )
}
