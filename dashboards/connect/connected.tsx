'use client'

import Link from 'next/link'
import { PROVIDERS } from '../../domain/providers/registry.ts'
import { GradeBadge } from '../credentials/badges.tsx'
import { Card } from '../shell/card.tsx'
import type { Stored } from './use-connect.ts'

type ConnectedProps = { readonly stored: Stored; readonly onAgain: () => void }

export function Connected({ stored: { credential, sites }, onAgain }: ConnectedProps) {
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
          This key may change things that Flarewatch never changes. Replace it by one that can only read, where the
          provider has such keys.
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
