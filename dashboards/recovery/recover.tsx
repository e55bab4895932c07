'use client'

import { type SubmitEvent, useRef, useState } from 'react'
import { typedRecoveryCode } from '../../domain/contracts/recovery-code.ts'
import type { Functions } from '../data/functions.ts'
import { type Failure, failed } from '../data/wire.ts'
import { Card } from '../shell/card.tsx'
import { FailureNotice } from '../shell/notice.tsx'

type RecoverProps = {
  readonly functions: Functions
  readonly onRecovered: () => Promise<void>
  readonly onBack: () => void
}
const MAX_TYPED = 64

/** A recovery code in the place of the lost device: what it leads to is enrolment, and nothing else. */
export function Recover({ functions, onRecovered, onBack }: RecoverProps) {
  const [failure, setFailure] = useState<Failure | null>(null)
  const [busy, setBusy] = useState(false)
  const input = useRef<HTMLInputElement>(null)

  const submit = async (event: SubmitEvent) => {
    event.preventDefault()
    setBusy(true)
    setFailure(null)
    const code = typedRecoveryCode(input.current?.value ?? '')
    const answer = code === null ? failed('recovery_code_invalid') : await functions.redeemRecoveryCode(code)
    if (answer.ok) return onRecovered()
    setFailure(answer.failure)
    input.current?.select()
    setBusy(false)
  }

  return (
    <Card title="Use a recovery code">
      <p>
        The code removes your lost authenticator and signs you out everywhere else. You then set up another app, before
        you see anything. Each code works once.
      </p>
      <form className="form" onSubmit={submit}>
        <div className="field">
          <label htmlFor="recovery-code">Recovery code</label>
          <input
            id="recovery-code"
            ref={input}
            className="input"
            autoComplete="off"
            autoCapitalize="characters"
            spellCheck={false}
            maxLength={MAX_TYPED}
            aria-describedby="recovery-code-hint"
            required
            // biome-ignore lint/a11y/noAutofocus: the form is what the person just asked for
            autoFocus
          />
          <p id="recovery-code-hint" className="fine">
            Twenty letters and digits; blanks and hyphens don’t matter.
          </p>
        </div>
        {failure !== null && <FailureNotice failure={failure} />}
        <button type="submit" className="button button-primary" disabled={busy}>
          {busy ? 'Checking…' : 'Remove the lost authenticator'}
        </button>
      </form>
      <p className="fine">
        <button type="button" className="button-link" onClick={onBack}>
          Enter a code from the app instead
        </button>
      </p>
    </Card>
  )
}
