'use client'

import { useEffect, useState } from 'react'
import type { Functions } from '../data/functions.ts'
import type { Answer } from '../data/wire.ts'
import { FirstCodes } from '../recovery/first-codes.tsx'
import { Card } from '../shell/card.tsx'
import { FailureNotice } from '../shell/notice.tsx'
import type { Auth, Enrolment } from './auth.ts'
import { CodeForm } from './code-form.tsx'

type EnrolProps = {
  readonly auth: Auth
  readonly functions: Functions
  readonly email: string
  readonly onEnrolled: () => Promise<void>
  readonly onSignOut: () => void
}

/** A1: nothing is shown before a second factor exists, and its recovery codes have been. */
export function Enrol({ auth, functions, email, onEnrolled, onSignOut }: EnrolProps) {
  const [verified, setVerified] = useState(false)
  if (verified) return <FirstCodes functions={functions} onKept={onEnrolled} />
  return <SetUp auth={auth} email={email} onVerified={() => setVerified(true)} onSignOut={onSignOut} />
}

type SetUpProps = Pick<EnrolProps, 'auth' | 'email' | 'onSignOut'> & { readonly onVerified: () => void }

function SetUp({ auth, email, onVerified, onSignOut }: SetUpProps) {
  const [enrolment, restart] = useEnrolment(auth)
  return (
    <Card title="Set up your authenticator app">
      <p>
        Every account has a second factor. Use any app that makes six-digit codes (TOTP): a password manager will do.
      </p>
      {enrolment === null && (
        <p role="status" className="fine">
          Making a secret…
        </p>
      )}
      {enrolment?.ok === false && <FailureNotice failure={enrolment.failure} onRetry={restart} />}
      {enrolment?.ok && (
        <>
          <Secret enrolment={enrolment.value} />
          <h2>Enter the code that the app shows</h2>
          <CodeForm auth={auth} factorId={enrolment.value.factorId} onVerified={onVerified} />
        </>
      )}
      <p className="fine">
        Signed in as {email}.{' '}
        <button type="button" className="button-link" onClick={onSignOut}>
          Sign out
        </button>
      </p>
    </Card>
  )
}

function Secret({ enrolment }: { readonly enrolment: Enrolment }) {
  return (
    <>
      <h2>Scan this with the app</h2>
      {enrolment.qrCode !== null && (
        // biome-ignore lint/performance/noImgElement: a data URL; there is nothing to optimise
        <img className="qr" src={enrolment.qrCode} width={184} height={184} alt="QR code of the secret below" />
      )}
      <p>
        Or type this secret into the app, or <a href={enrolment.uri}>open the app on this device</a>.
      </p>
      <p className="secret">
        <span className="visually-hidden">Secret: </span>
        <code data-testid="totp-secret">{enrolment.secret}</code>
      </p>
    </>
  )
}

function useEnrolment(auth: Auth): [Answer<Enrolment> | null, () => void] {
  const [enrolment, setEnrolment] = useState<Answer<Enrolment> | null>(null)
  const [round, setRound] = useState(0)
  // A further round asks for another secret.
  // biome-ignore lint/correctness/useExhaustiveDependencies: see above
  useEffect(() => {
    let live = true
    setEnrolment(null)
    void enrolOnce(auth).then((answer) => {
      if (live) setEnrolment(answer)
    })
    return () => {
      live = false
    }
  }, [auth, round])
  return [enrolment, () => setRound((past) => past + 1)]
}

/** Two enrolments at the same time would each remove the other's factor. */
let running: Promise<Answer<Enrolment>> | null = null
function enrolOnce(auth: Auth): Promise<Answer<Enrolment>> {
  running ??= auth.enrol().finally(() => {
    running = null
  })
  return running
}
