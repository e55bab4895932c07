'use client'

import { type SubmitEvent, useRef } from 'react'
import { needsCode } from '../data/failure-text.ts'
import { useSession } from '../session/session.tsx'
import { Card } from '../shell/card.tsx'
import { FailureNotice } from '../shell/notice.tsx'
import { Connected } from './connected.tsx'
import { FreshCode } from './fresh-code.tsx'
import { useConnect } from './use-connect.ts'

const MAX_LABEL = 120
const MAX_SECRET = 512
const TOKENS_PAGE = 'https://dash.cloudflare.com/profile/api-tokens'

export function ConnectPage() {
  const { state, connect, edited, again } = useConnect()
  const { recheck } = useSession()
  const label = useRef<HTMLInputElement>(null)
  const secret = useRef<HTMLInputElement>(null)
  if (state.name === 'stored') return <Connected stored={state.stored} onAgain={again} />

  const send = async () => {
    if (label.current !== null && secret.current !== null)
      await connect({ label: label.current, secret: secret.current })
  }
  const submit = (event: SubmitEvent) => {
    event.preventDefault()
    void send()
  }
  const failure = state.name === 'editing' ? state.failure : null
  const verified = async () => {
    await recheck()
    await send()
  }

  return (
    <Card title="Connect Cloudflare">
      <Instructions />
      <form className="form" onSubmit={submit} autoComplete="off">
        <div className="field">
          <label htmlFor="label">Label</label>
          <input
            id="label"
            ref={label}
            className="input"
            defaultValue="Cloudflare"
            maxLength={MAX_LABEL}
            onInput={edited}
            required
          />
          <p className="fine">For your own list, such as the client’s name.</p>
        </div>
        <div className="field">
          <label htmlFor="token">API token</label>
          <input
            id="token"
            ref={secret}
            type="password"
            className="input"
            autoComplete="off"
            autoCapitalize="none"
            spellCheck={false}
            data-1p-ignore
            data-lpignore="true"
            maxLength={MAX_SECRET}
            aria-describedby="token-hint"
            onInput={edited}
            required
          />
          <p id="token-hint" className="fine">
            Checked with Cloudflare, then sealed. From then on only its last four characters and its scope are shown.
          </p>
        </div>
        {failure !== null && !needsCode(failure) && <FailureNotice failure={failure} />}
        <button type="submit" className="button button-primary" disabled={state.name === 'busy'}>
          {state.name === 'busy' ? state.doing : 'Connect Cloudflare'}
        </button>
      </form>
      {failure !== null && needsCode(failure) && <FreshCode failure={failure} onVerified={verified} />}
    </Card>
  )
}

function Instructions() {
  return (
    <ol className="steps">
      <li>
        In Cloudflare, open{' '}
        <a href={TOKENS_PAGE} target="_blank" rel="noreferrer">
          My Profile, API Tokens
        </a>{' '}
        and create a custom token.
      </li>
      <li>
        Give it two permissions: <strong>Zone, Zone, Read</strong> and <strong>Zone, Analytics, Read</strong>, for the
        zones to show. Nothing that edits.
      </li>
      <li>Paste it here. A global API key is refused: it can do anything.</li>
    </ol>
  )
}
