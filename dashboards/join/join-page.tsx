'use client'

import { useRouter } from 'next/navigation'
import { useState } from 'react'
import { FreshCode } from '../connect/fresh-code.tsx'
import { needsCode } from '../data/failure-text.ts'
import { InvitationToken } from '../data/schemas.ts'
import { type Failure, failed } from '../data/wire.ts'
import { useSession } from '../session/session.tsx'
import { useWorkspace } from '../session/workspace.tsx'
import { Card } from '../shell/card.tsx'
import { FailureNotice } from '../shell/notice.tsx'

/** Where the link of an invitation leads. The token stands behind the `#`: no server log has it, and no referrer. */
export function JoinPage() {
  const { functions, account, selectTenant, refreshTenants } = useWorkspace()
  const { recheck } = useSession()
  const router = useRouter()
  const [busy, setBusy] = useState(false)
  const [failure, setFailure] = useState<Failure | null>(null)

  const accept = async () => {
    const token = InvitationToken.safeParse(location.hash.slice(1))
    if (!token.success) return setFailure(failed('invitation_invalid').failure)
    setBusy(true)
    setFailure(null)
    const answer = await functions.acceptInvitation(token.data)
    setBusy(false)
    if (!answer.ok) return setFailure(answer.failure)
    selectTenant(answer.value.tenant.id)
    refreshTenants()
    router.push('/')
  }
  const verified = async () => {
    await recheck()
    await accept()
  }

  return (
    <Card title="You are invited">
      <p>
        Accept to become a member of the agency that invited you. The invitation is for one address; you are signed in
        as <strong>{account.email}</strong>.
      </p>
      {failure !== null && !needsCode(failure) && <FailureNotice failure={failure} />}
      <div className="actions">
        <button type="button" className="button button-primary" disabled={busy} onClick={accept}>
          {busy ? 'Accepting…' : 'Accept the invitation'}
        </button>
      </div>
      {failure !== null && needsCode(failure) && <FreshCode failure={failure} onVerified={verified} />}
    </Card>
  )
}
