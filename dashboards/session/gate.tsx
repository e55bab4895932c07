'use client'

import type { ReactNode } from 'react'
import { Card } from '../shell/card.tsx'
import { SignedInFrame, SignedOutFrame } from '../shell/frame.tsx'
import { FailureNotice } from '../shell/notice.tsx'
import { Challenge } from './challenge.tsx'
import { Enrol } from './enrolment.tsx'
import { useSession } from './session.tsx'
import { SignIn } from './sign-in.tsx'
import { WorkspaceProvider } from './workspace.tsx'

/** What stands between a person and the pages: sign-in, a second factor, an agency. The address stays what it was. */
export function Gate({ children }: { readonly children: ReactNode }) {
  const { stage, viewOnly, continueViewing, recheck, signOut, farewell } = useSession()
  if (stage.name === 'loading') {
    return (
      <SignedOutFrame>
        <p className="fine" role="status">
          Loading…
        </p>
      </SignedOutFrame>
    )
  }
  if (stage.name === 'failed') {
    return (
      <SignedOutFrame>
        <Card title="Flarewatch does not answer">
          <FailureNotice failure={stage.failure} onRetry={recheck} />
        </Card>
      </SignedOutFrame>
    )
  }
  const { auth, functions, account } = stage
  if (account === null) {
    return (
      <SignedOutFrame>
        <SignIn auth={auth} onSignedIn={recheck} farewell={farewell} />
      </SignedOutFrame>
    )
  }
  if (account.factorId === null) {
    return (
      <SignedOutFrame>
        <Enrol auth={auth} functions={functions} email={account.email} onEnrolled={recheck} onSignOut={signOut} />
      </SignedOutFrame>
    )
  }
  const { factorId } = account
  if (account.aal === 'aal1' && !viewOnly) {
    return (
      <SignedOutFrame>
        <Challenge
          auth={auth}
          functions={functions}
          email={account.email}
          factorId={factorId}
          onVerified={recheck}
          onViewOnly={continueViewing}
          onSignOut={signOut}
        />
      </SignedOutFrame>
    )
  }
  return (
    <WorkspaceProvider auth={auth} functions={functions} account={{ ...account, factorId }}>
      <SignedInFrame>{children}</SignedInFrame>
    </WorkspaceProvider>
  )
}
