'use client'

import { type SubmitEvent, useRef, useState } from 'react'
import type { Provider } from '../../domain/contracts/providers.ts'
import { PROVIDERS } from '../../domain/providers/registry.ts'
import { needsCode } from '../data/failure-text.ts'
import { useSession } from '../session/session.tsx'
import { Card } from '../shell/card.tsx'
import { FailureNotice } from '../shell/notice.tsx'
import { Connected } from './connected.tsx'
import { FreshCode } from './fresh-code.tsx'
import { CONNECT_HELP, Instructions } from './instructions.tsx'
import { ProviderChoice } from './provider-choice.tsx'
import { useConnect } from './use-connect.ts'

const MAX_LABEL = 120
const MAX_SECRET = 512

export function ConnectPage() {
  const [provider, setProvider] = useState<Provider>('cloudflare')
  const { state, connect, edited, again } = useConnect(provider)
  const { recheck } = useSession()
  const label = useRef<HTMLInputElement>(null)
  const secret = useRef<HTMLInputElement>(null)
  if (state.name === 'stored') return <Connected stored={state.stored} onAgain={again} />
  const providerName = PROVIDERS[provider].label

  const send = async () => {
    if (label.current !== null && secret.current !== null)
      await connect({ label: label.current, secret: secret.current })
  }
  const submit = (event: SubmitEvent) => {
    event.preventDefault()
    void send()
  }
  const choose = (chosen: Provider) => {
    setProvider(chosen)
    if (secret.current !== null) secret.current.value = ''
    again()
  }
  const failure = state.name === 'editing' ? state.failure : null
  const verified = async () => {
    await recheck()
    await send()
  }

  return (
    <Card title="Connect a provider">
      <ProviderChoice provider={provider} disabled={state.name === 'busy'} onProvider={choose} />
      <Instructions provider={provider} />
      <form className="form" onSubmit={submit} autoComplete="off">
        <div className="field">
          <label htmlFor="label">Label</label>
          <input
            id="label"
            ref={label}
            className="input"
            key={provider}
            defaultValue={providerName}
            maxLength={MAX_LABEL}
            onInput={edited}
            required
          />
          <p className="fine">For your own list, such as the client’s name.</p>
        </div>
        <div className="field">
          <label htmlFor="token">{CONNECT_HELP[provider].keyName}</label>
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
            Checked with {providerName}, then sealed. From then on only its last four characters and its scope are
            shown.
          </p>
        </div>
        {failure !== null && !needsCode(failure) && <FailureNotice failure={failure} />}
        <button type="submit" className="button button-primary" disabled={state.name === 'busy'}>
          {state.name === 'busy' ? state.doing : `Connect ${providerName}`}
        </button>
      </form>
      {failure !== null && needsCode(failure) && <FreshCode failure={failure} onVerified={verified} />}
    </Card>
  )
}
