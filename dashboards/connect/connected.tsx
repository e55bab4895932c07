'use client'

import Link from 'next/link'
import { PROVIDERS } from '../../domain/providers/registry.ts'
import { GradeBadge } from '../credentials/badges.tsx'
import { CredentialsResponse } from '../data/schemas.ts'
import { usePolled } from '../data/use-polled.ts'
import { useWorkspace } from '../session/workspace.tsx'
import { Card } from '../shell/card.tsx'
import type { Stored } from './use-connect.ts'

type ConnectedProps = { readonly stored: Stored; readonly onAgain: () => void }

const CREDENTIAL_POLL_MS = 60_000

export function Connected({ stored: { credential, sites }, onAgain }: ConnectedProps) {
  const excess = useExcess(credential.id)
  return (
    <Card title={`${PROVIDERS[credential.provider].label} is connected`}>
      <p role="status">
        {sites.length === 1 ? 'One site was found.' : `${sites.length} sites were found.`} Their first numbers arrive
        within a minute or two.
      </p>
      <ul className="found">
        {sites.map(({ id, name }) => (
          <li key={id}>{name}</li>
        ))}
      </ul>
      <p>
        {credential.label} <code>····{credential.last4}</code> <GradeBadge grade={credential.grade} />
        <br />
        <span className="fine">{credential.scope}</span>
      </p>
      {credential.grade === 'over_scoped' && (
        <p>
          {excess.length > 0 && <strong>More than needed: {excess.join(', ')}. </strong>}
          Flarewatch only reads. Replace this key by one that can only read, where the provider has such keys.
        </p>
      )}
      <div className="actions">
        <Link href="/" className="button button-primary">
          Go to the overview
        </Link>
        <button type="button" className="button" onClick={onAgain}>
          Connect another key
        </button>
      </div>
    </Card>
  )
}

/** T5: what of the token's permissions nobody needs, as the list of credentials tells it. */
function useExcess(credentialId: string): readonly string[] {
  const { gateway, tenant } = useWorkspace()
  const { value } = usePolled(tenant?.id ?? '', CREDENTIAL_POLL_MS, () =>
    gateway('/api/credentials', CredentialsResponse),
  )
  return value?.credentials.find(({ id }) => id === credentialId)?.excess ?? []
}
