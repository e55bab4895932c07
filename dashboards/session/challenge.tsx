'use client'

import { useState } from 'react'
import type { Functions } from '../data/functions.ts'
import { PendingReset } from '../recovery/pending-reset.tsx'
import { Recover } from '../recovery/recover.tsx'
import { Card } from '../shell/card.tsx'
import type { Auth } from './auth.ts'
import { CodeForm } from './code-form.tsx'

type ChallengeProps = {
  readonly auth: Auth
  readonly functions: Functions
  readonly email: string
  readonly factorId: string
  readonly onVerified: () => Promise<void>
  readonly onViewOnly: () => void
  readonly onSignOut: () => void
}

export function Challenge({ auth, functions, email, factorId, onVerified, onViewOnly, onSignOut }: ChallengeProps) {
  const [isLost, setIsLost] = useState(false)
  if (isLost) return <Recover functions={functions} onRecovered={onVerified} onBack={() => setIsLost(false)} />
  return (
    <Card title="Enter your code">
      <PendingReset functions={functions} onFinished={onVerified} />
      <p>Open your authenticator app and enter the code for Flarewatch ({email}).</p>
      <CodeForm auth={auth} factorId={factorId} onVerified={onVerified} autoFocus />
      <p className="fine">
        Lost the device with the app?{' '}
        <button type="button" className="button-link" onClick={() => setIsLost(true)}>
          Use a recovery code
        </button>
      </p>
      <p className="fine">Lost the codes too? Ask an owner of your agency to reset your sign-in.</p>
      <hr />
      <p className="fine">
        Without a code you can see traffic and the list of credentials. Changes and the audit log need one.
      </p>
      <div className="actions">
        <button type="button" className="button" onClick={onViewOnly}>
          Continue viewing only
        </button>
        <button type="button" className="button-link" onClick={onSignOut}>
          Sign out
        </button>
      </div>
    </Card>
  )
}
