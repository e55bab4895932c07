'use client'

import { useState } from 'react'
import { FreshCode } from '../connect/fresh-code.tsx'
import { needsCode } from '../data/failure-text.ts'
import { CredentialsResponse } from '../data/schemas.ts'
import { usePolled } from '../data/use-polled.ts'
import { type Failure, failed } from '../data/wire.ts'
import { Fingerprint } from '../operator-keys/fingerprint.tsx'
import { type RevealLink, revealOf } from '../operator-keys/link.ts'
import { useFragment, useTenantOf } from '../operator-keys/use-fragment.ts'
import { useSession } from '../session/session.tsx'
import { useWorkspace } from '../session/workspace.tsx'
import { Card } from '../shell/card.tsx'
import { FailureNotice } from '../shell/notice.tsx'

const CREDENTIAL_POLL_MS = 60_000

/** V7: this browser confirms. What was asked for goes to the command line, sealed to its key, and never comes here. */
export function RevealPage() {
  const link = useFragment(revealOf)
  const isMember = useTenantOf(link?.tenant_id)
  if (link === undefined) return null
  if (link === null) {
    return (
      <Card title="Reveal a credential">
        <p>
          A reveal begins on the command line: <code>flarewatch credential reveal ID</code> prints the link to this
          page.
        </p>
      </Card>
    )
  }
  return (
    <Card title="Reveal a credential">
      {isMember ? <Confirm link={link} /> : <FailureNotice failure={failed('not_a_member').failure} />}
    </Card>
  )
}

function Confirm({ link }: { readonly link: RevealLink }) {
  const { functions } = useWorkspace()
  const { recheck } = useSession()
  const [failure, setFailure] = useState<Failure | null>(null)
  const [state, setState] = useState<'asking' | 'busy' | 'done'>('asking')
  if (state === 'done') {
    return <p role="status">Confirmed. The command line opens it now; nothing of it came to this browser.</p>
  }

  const confirm = async () => {
    setState('busy')
    setFailure(null)
    const answer = await functions.revealCredential(link)
    setState(answer.ok ? 'done' : 'asking')
    if (!answer.ok) setFailure(answer.failure)
  }
  const verified = async () => {
    await recheck()
    await confirm()
  }
  return (
    <>
      <CredentialLine credentialId={link.credential_id} />
      <p>
        To the operator key <Fingerprint keyId={link.key_id} />
      </p>
      <p className="fine">Only if you started this yourself and your command line shows the same fingerprint.</p>
      {failure !== null && !needsCode(failure) && <FailureNotice failure={failure} />}
      {failure !== null && needsCode(failure) ? (
        <FreshCode failure={failure} onVerified={verified} />
      ) : (
        <button
          type="button"
          className="button button-primary"
          disabled={state === 'busy'}
          onClick={() => void confirm()}
        >
          {state === 'busy' ? 'Revealing…' : 'Reveal to this key'}
        </button>
      )}
    </>
  )
}

function CredentialLine({ credentialId }: { readonly credentialId: string }) {
  const { gateway, tenant } = useWorkspace()
  const { value, failure, refresh } = usePolled(tenant?.id ?? '', CREDENTIAL_POLL_MS, () =>
    gateway('/api/credentials', CredentialsResponse),
  )
  if (failure !== null) return <FailureNotice failure={failure} onRetry={refresh} />
  if (value === null) return <div className="skeleton skeleton-table" role="status" aria-label="Loading" />
  const line = value.credentials.find(({ id }) => id === credentialId)
  if (line === undefined) return <FailureNotice failure={failed('credential_unknown').failure} />
  return (
    <p>
      {line.label} <code>····{line.last4}</code>
      <br />
      <span className="fine">{line.scope}</span>
    </p>
  )
}
