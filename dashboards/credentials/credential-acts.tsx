'use client'

import { useState } from 'react'
import type { Provider } from '../../domain/contracts/providers.ts'
import { type JudgedAct, roleMay } from '../../domain/contracts/roles.ts'
import { WebhookProvider } from '../data/schemas.ts'
import type { Tenant } from '../session/workspace.tsx'
import { DeleteDialog } from './delete-dialog.tsx'
import type { Line } from './health.ts'
import { PurgeDialog, type Site } from './purge-dialog.tsx'
import { ResyncDialog } from './resync-dialog.tsx'
import { RotateDialog } from './rotate-dialog.tsx'
import { SuppressionsDialog } from './suppressions-dialog.tsx'
import { VerifyDialog } from './verify-dialog.tsx'
import { WebhookDialog } from './webhook-dialog.tsx'

type CredentialActsProps = {
  readonly line: Line
  readonly tenant: Tenant
  readonly sites: readonly Site[]
  readonly now: number
  readonly onDone: (said: string) => void
}

const ACTS = [
  { action: 'credential.rotate', label: 'Replace token' },
  { action: 'credential.store', label: 'Webhooks' },
  { action: 'credential.resync', label: 'Re-sync…' },
  { action: 'provider.purge_cache', label: 'Purge cache', at: 'cloudflare' },
  { action: 'provider.verify_domain', label: 'Verify domain', at: 'resend' },
  { action: 'provider.remove_suppression', label: 'Suppression list', at: 'resend' },
  { action: 'credential.delete', label: 'Delete' },
] as const satisfies readonly { readonly action: JudgedAct; readonly label: string; readonly at?: Provider }[]
type Opened = (typeof ACTS)[number]['action']

/** What may be done with a credential, by whoever's role may do it. */
export function CredentialActs({ line, tenant, sites, now, onDone }: CredentialActsProps) {
  const [opened, setOpened] = useState<Opened | null>(null)
  const delivers = WebhookProvider.safeParse(line.provider)
  const own = sites.filter(({ credential_id }) => credential_id === line.id)
  const offered = ACTS.filter(
    (act) =>
      roleMay(tenant.role, act.action) &&
      (act.action !== 'credential.store' || delivers.success) &&
      (act.action !== 'credential.resync' || line.history !== null) &&
      (!('at' in act) || (act.at === line.provider && own.length > 0)),
  )
  const closing = (said: string) => (done: boolean) => {
    setOpened(null)
    if (done) onDone(said)
  }
  const name = `${line.label} ····${line.last4}`
  const shared = { line, tenantId: tenant.id }
  return (
    <div className="actions">
      {offered.map(({ action, label }) => (
        <button
          key={action}
          type="button"
          className="button-link"
          aria-label={`${label}: ${name}`}
          onClick={() => setOpened(action)}
        >
          {label}
        </button>
      ))}
      {opened === 'credential.rotate' && (
        <RotateDialog {...shared} onClose={closing(`${line.label} has a new token.`)} />
      )}
      {opened === 'credential.store' && delivers.success && (
        <WebhookDialog {...shared} provider={delivers.data} onClose={closing(`${line.label} has a signing secret.`)} />
      )}
      {opened === 'credential.resync' && (
        <ResyncDialog {...shared} sites={own} now={now} onClose={closing(`${line.label} is being read again.`)} />
      )}
      {opened === 'provider.purge_cache' && (
        <PurgeDialog {...shared} sites={own} onClose={closing('Cloudflare has taken the purge.')} />
      )}
      {opened === 'provider.verify_domain' && (
        <VerifyDialog {...shared} sites={own} onClose={closing('Resend looks at the domain’s records again.')} />
      )}
      {opened === 'provider.remove_suppression' && own[0] !== undefined && (
        <SuppressionsDialog
          {...shared}
          site={own[0]}
          onClose={closing('Resend has taken the address off its suppression list.')}
        />
      )}
      {opened === 'credential.delete' && <DeleteDialog {...shared} onClose={closing(`${name} was deleted.`)} />}
    </div>
  )
}
