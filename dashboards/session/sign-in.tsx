'use client'

import { type SubmitEvent, useState } from 'react'
import { failureText } from '../data/failure-text.ts'
import type { Failure } from '../data/wire.ts'
import { Card } from '../shell/card.tsx'
import { FailureNotice, Notice } from '../shell/notice.tsx'
import type { Auth } from './auth.ts'

type Mode = 'sign_in' | 'sign_up'
const MIN_PASSWORD = 8
const MAX_FIELD = 256

const WORDS = {
  sign_in: { title: 'Sign in', submit: 'Sign in', busy: 'Signing in…', other: 'Create an account', lead: 'New here?' },
  sign_up: {
    title: 'Create an account',
    submit: 'Create account',
    busy: 'Creating…',
    other: 'Use an existing account',
    lead: 'Been here before?',
  },
} as const

type SignInProps = {
  readonly auth: Auth
  readonly onSignedIn: () => Promise<void>
  /** Why the person was signed out. */
  readonly farewell: Failure | null
}

export function SignIn({ auth, onSignedIn, farewell }: SignInProps) {
  const [mode, setMode] = useState<Mode>('sign_in')
  const [confirm, setConfirm] = useState<string | null>(null)
  const words = WORDS[mode]

  const enter = async (email: string, password: string): Promise<Failure | null> => {
    setConfirm(null)
    const answer = mode === 'sign_in' ? await auth.signIn(email, password) : await auth.signUp(email, password)
    if (!answer.ok) return answer.failure
    if (answer.value === 'confirm') {
      setConfirm(email)
      setMode('sign_in')
    } else await onSignedIn()
    return null
  }

  return (
    <Card title={words.title}>
      {farewell !== null && <Notice>{failureText(farewell)}</Notice>}
      {confirm !== null && <Notice>We sent a mail to {confirm}. Open the link in it, then sign in here.</Notice>}
      <PasswordForm key={mode} mode={mode} enter={enter} />
      <p className="fine">
        {words.lead}{' '}
        <button
          type="button"
          className="button-link"
          onClick={() => setMode(mode === 'sign_in' ? 'sign_up' : 'sign_in')}
        >
          {words.other}
        </button>
      </p>
    </Card>
  )
}

type PasswordFormProps = {
  readonly mode: Mode
  readonly enter: (email: string, password: string) => Promise<Failure | null>
}

function PasswordForm({ mode, enter }: PasswordFormProps) {
  const [failure, setFailure] = useState<Failure | null>(null)
  const [busy, setBusy] = useState(false)
  const words = WORDS[mode]

  const submit = async (event: SubmitEvent<HTMLFormElement>) => {
    event.preventDefault()
    const form = new FormData(event.currentTarget)
    setBusy(true)
    setFailure(await enter(String(form.get('email')).trim(), String(form.get('password'))))
    setBusy(false)
  }

  return (
    <form className="form" onSubmit={submit}>
      <div className="field">
        <label htmlFor="email">Email</label>
        <input
          id="email"
          name="email"
          type="email"
          className="input"
          autoComplete="username"
          maxLength={MAX_FIELD}
          required
        />
      </div>
      <div className="field">
        <label htmlFor="password">Password</label>
        <input
          id="password"
          name="password"
          type="password"
          className="input"
          autoComplete={mode === 'sign_in' ? 'current-password' : 'new-password'}
          aria-describedby={mode === 'sign_up' ? 'password-hint' : undefined}
          minLength={mode === 'sign_up' ? MIN_PASSWORD : undefined}
          maxLength={MAX_FIELD}
          required
        />
        {mode === 'sign_up' && (
          <p id="password-hint" className="fine">
            At least {MIN_PASSWORD} characters. A second factor is set up in the next step.
          </p>
        )}
      </div>
      {failure !== null && <FailureNotice failure={failure} />}
      <button type="submit" className="button button-primary" disabled={busy}>
        {busy ? words.busy : words.submit}
      </button>
    </form>
  )
}
