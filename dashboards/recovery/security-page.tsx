'use client'

import { useState } from 'react'
import { needsCode } from '../data/failure-text.ts'
import { usePolled } from '../data/use-polled.ts'
import { type Failure, failed } from '../data/wire.ts'
import { ActFailure } from '../members/act-failure.tsx'
import { useSession } from '../session/session.tsx'
import { useWorkspace } from '../session/workspace.tsx'
import { SessionList } from '../sessions/session-list.tsx'
import { Card } from '../shell/card.tsx'
import { FailureNotice, Notice } from '../shell/notice.tsx'
import { CodeList } from './code-list.tsx'

const POLL_MS = 5 * 60_000
const FEW = 3

export function SecurityPage() {
  const { functions, account } = useWorkspace()
  const { value, failure, refresh } = usePolled(account.aal, POLL_MS, async () =>
    account.aal === 'aal2' ? functions.recoveryCodesLeft() : failed('aal2_required'),
  )
  return (
    <>
      <div className="page-head">
        <h1>Security</h1>
      </div>
      {failure !== null && !needsCode(failure) && account.aal === 'aal2' && (
        <FailureNotice failure={failure} onRetry={refresh} />
      )}
      {account.aal === 'aal1' && <p>Enter a code from your authenticator app to see and change this.</p>}
      {account.aal === 'aal2' && value !== null && <RecoveryCodes left={value.left} onMade={refresh} />}
      {account.aal === 'aal2' && <SessionList />}
    </>
  )
}

function RecoveryCodes({ left, onMade }: { readonly left: number; readonly onMade: () => void }) {
  const { functions } = useWorkspace()
  const { recheck } = useSession()
  const [codes, setCodes] = useState<readonly string[] | null>(null)
  const [failure, setFailure] = useState<Failure | null>(null)
  const [busy, setBusy] = useState(false)

  const make = async () => {
    setBusy(true)
    setFailure(null)
    const answer = await functions.makeRecoveryCodes()
    setBusy(false)
    if (!answer.ok) return setFailure(answer.failure)
    setCodes(answer.value)
    onMade()
  }
  const resume = async () => {
    await recheck()
    await make()
  }

  if (codes !== null) {
    return (
      <Card title="Keep your recovery codes">
        <CodeList codes={codes} onKept={() => setCodes(null)} />
      </Card>
    )
  }
  return (
    <Card title="Recovery codes">
      <p data-testid="codes-left">{leftText(left)}</p>
      {left <= FEW && (
        <Notice>
          Make new codes now: without one, a lost device keeps you out until another owner resets it, which takes a day.
        </Notice>
      )}
      <p className="fine">New codes take the place of all that you have. They need a code from your app.</p>
      <button type="button" className="button" onClick={make} disabled={busy}>
        {busy ? 'Making…' : 'Make new codes'}
      </button>
      <ActFailure failure={failure} onVerified={resume} />
    </Card>
  )
}

function leftText(left: number): string {
  if (left === 0) return 'You have no recovery code.'
  return left === 1 ? 'You have 1 recovery code left.' : `You have ${left} recovery codes left.`
}
