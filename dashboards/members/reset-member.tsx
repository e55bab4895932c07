'use client'

import type { MemberLine, z } from '../data/schemas.ts'
import { useWorkspace } from '../session/workspace.tsx'
import { Card } from '../shell/card.tsx'
import { ActFailure } from './act-failure.tsx'
import { useMemberAct } from './use-member-act.ts'

type ResetMemberProps = {
  readonly member: z.output<typeof MemberLine>
  readonly onRequested: () => void
  readonly onClose: () => void
}

/** Says what will happen before it is asked for: the person and every owner read the same in their mail. */
export function ResetMember({ member, onRequested, onClose }: ResetMemberProps) {
  const { functions, tenant } = useWorkspace()
  const { busy, failure, run, resume } = useMemberAct(onRequested)
  if (tenant === null) return null
  const name = member.email ?? member.user_id

  const ask = () => {
    const request = { act: 'request', tenant_id: tenant.id, member_id: member.user_id } as const
    return run({
      action: 'member.reset',
      targetId: member.user_id,
      request,
      send: (proof) => functions.requestMemberReset(request, proof),
    })
  }
  return (
    <Card title="Reset sign-in">
      <p>For {name}, who lost both the authenticator and the recovery codes. Nothing is removed now:</p>
      <ul>
        <li>
          They and every owner of every agency that they belong to are mailed at once: it is one account in all of them.
        </li>
        <li>
          Until it is finished they, or any of those owners, can cancel it. Using their authenticator ends it too.
        </li>
        <li>
          After 24 hours, and for 7 days, they can sign in with the password, remove the lost authenticator, which signs
          them out everywhere else, and set up another one before they see anything.
        </li>
      </ul>
      <p className="fine">
        Make sure that it is this person who asks you, by a way other than mail. If you or they leave the agency, or you
        are no owner any more, the reset ends.
      </p>
      <div className="actions">
        <button type="button" className="button button-primary" disabled={busy} onClick={() => void ask()}>
          {busy ? 'Asking…' : 'Reset in 24 hours'}
        </button>
        <button type="button" className="button button-quiet" disabled={busy} onClick={onClose}>
          Back
        </button>
      </div>
      <ActFailure failure={failure} onVerified={resume} />
    </Card>
  )
}
