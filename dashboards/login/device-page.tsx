'use client'

import { type ReactNode, type SubmitEvent, useId, useState } from 'react'
import { type DeviceLogin, loginOfFragment } from '../../domain/device-login/login.ts'
import type { Failure } from '../data/wire.ts'
import { useFragment } from '../operator-keys/use-fragment.ts'
import { useWorkspace } from '../session/workspace.tsx'
import { Card } from '../shell/card.tsx'
import { FailureNotice } from '../shell/notice.tsx'
import { approve, deny } from './answer.ts'

type State = 'asking' | 'busy' | 'approved' | 'denied'
const MAX_PASSWORD = 256

/** Where `flarewatch login` leads. What it gives goes to the command line, sealed to its key; nothing of it stays in this browser. */
export function DevicePage() {
  const login = useFragment(loginOfFragment)
  if (login === undefined) return null
  return (
    <Card title="Sign a command line in">
      {login === null ? (
        <p>
          A login begins on the command line: <code>flarewatch login</code> leads to this page.
        </p>
      ) : (
        <Asked key={login.until} login={login} />
      )}
    </Card>
  )
}

function Asked({ login }: { readonly login: DeviceLogin }) {
  const { auth, account } = useWorkspace()
  const [state, setState] = useState<State>('asking')
  const [failure, setFailure] = useState<Failure | null>(null)
  if (state === 'approved') {
    return (
      <p role="status">
        Approved. The command line goes on as {account.email} within seconds; this page can be closed.
      </p>
    )
  }
  if (state === 'denied') return <p role="status">Refused. The command line was told, and nobody was signed in.</p>

  const end = async (work: ReturnType<typeof approve>, then: State) => {
    setState('busy')
    setFailure(null)
    const answer = await work
    setState(answer.ok ? then : 'asking')
    if (!answer.ok) setFailure(answer.failure)
  }
  const submit = (event: SubmitEvent<HTMLFormElement>) => {
    event.preventDefault()
    const form = new FormData(event.currentTarget)
    const field = (name: string) => String(form.get(name) ?? '')
    const typed = { code: field('code'), password: field('password'), totp: field('totp').replaceAll(/\s/g, '') }
    void end(approve({ auth, account }, login, typed), 'approved')
  }
  return (
    <form className="form" onSubmit={submit}>
      <p>
        A command line asks to be signed in as <strong>{account.email}</strong>. It gets a session of its own, which may
        do all that you may.
      </p>
      <div className="notice notice-ask">
        <p>
          <strong>Only go on if you started this yourself</strong>, on this machine or in a terminal that you opened
          from it. Whoever sent you here, by a link or with a code, wants to sign in as you: refuse.
        </p>
      </div>
      {account.aal === 'aal2' && <Proofs email={account.email} />}
      {failure !== null && <FailureNotice failure={failure} />}
      <div className="actions">
        {account.aal === 'aal2' && (
          <button type="submit" className="button button-primary" disabled={state === 'busy'}>
            {state === 'busy' ? 'Signing in…' : 'Sign the command line in'}
          </button>
        )}
        <button
          type="button"
          className="button"
          disabled={state === 'busy'}
          onClick={() => void end(deny(auth, login), 'denied')}
        >
          I did not start this: refuse
        </button>
      </div>
    </form>
  )
}

/** All three anew: the session that begins here is another one than this browser's, and begins as each does. */
function Proofs({ email }: { readonly email: string }) {
  return (
    <>
      <Field label="Code that your command line shows">
        {(id) => (
          <input
            id={id}
            name="code"
            className="input code-input code-input-wide"
            autoComplete="off"
            autoCapitalize="characters"
            spellCheck={false}
            maxLength={12}
            required
            // biome-ignore lint/a11y/noAutofocus: the form is what the person just asked for
            autoFocus
          />
        )}
      </Field>
      <input type="hidden" name="email" value={email} autoComplete="username" />
      <Field label="Password">
        {(id) => (
          <input
            id={id}
            name="password"
            type="password"
            className="input"
            autoComplete="current-password"
            maxLength={MAX_PASSWORD}
            required
          />
        )}
      </Field>
      <Field label="Six-digit code from your authenticator app">
        {(id) => (
          <input
            id={id}
            name="totp"
            className="input code-input"
            inputMode="numeric"
            autoComplete="one-time-code"
            pattern="[0-9 ]{6,7}"
            title="Six digits"
            maxLength={7}
            required
          />
        )}
      </Field>
    </>
  )
}

type FieldProps = { readonly label: string; readonly children: (id: string) => ReactNode }

function Field({ label, children }: FieldProps) {
  const id = useId()
  return (
    <div className="field">
      <label htmlFor={id}>{label}</label>
      {children(id)}
    </div>
  )
}
