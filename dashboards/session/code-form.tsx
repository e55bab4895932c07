'use client'

import { type SubmitEvent, useId, useRef, useState } from 'react'
import { sessionOver } from '../data/failure-text.ts'
import type { Failure } from '../data/wire.ts'
import { FailureNotice } from '../shell/notice.tsx'
import type { Auth } from './auth.ts'
import { useSession } from './session.tsx'

type CodeFormProps = {
  readonly auth: Auth
  readonly factorId: string
  readonly onVerified: () => void | Promise<void>
  readonly autoFocus?: boolean
}

/** Asks for the code that an authenticator app shows, and raises the session to AAL2 with it. */
export function CodeForm({ auth, factorId, onVerified, autoFocus = false }: CodeFormProps) {
  const { leave } = useSession()
  const [failure, setFailure] = useState<Failure | null>(null)
  const [busy, setBusy] = useState(false)
  const input = useRef<HTMLInputElement>(null)
  const id = useId()

  const submit = async (event: SubmitEvent) => {
    event.preventDefault()
    const code = (input.current?.value ?? '').replaceAll(/\s/g, '')
    setBusy(true)
    const answer = await auth.verify(factorId, code)
    if (answer.ok) await onVerified()
    else if (sessionOver(answer.failure)) await leave(answer.failure)
    else {
      setFailure(answer.failure)
      input.current?.select()
    }
    setBusy(false)
  }

  return (
    <form className="form" onSubmit={submit}>
      <div className="field">
        <label htmlFor={id}>Six-digit code</label>
        <input
          id={id}
          ref={input}
          className="input code-input"
          inputMode="numeric"
          autoComplete="one-time-code"
          pattern="[0-9 ]{6,7}"
          title="Six digits"
          maxLength={7}
          required
          // biome-ignore lint/a11y/noAutofocus: the form is what the person just asked for
          autoFocus={autoFocus}
        />
      </div>
      {failure !== null && <FailureNotice failure={failure} />}
      <button type="submit" className="button button-primary" disabled={busy}>
        {busy ? 'Verifying…' : 'Verify'}
      </button>
    </form>
  )
}
