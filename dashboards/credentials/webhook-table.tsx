'use client'

import { useState } from 'react'
import { roleMay } from '../../domain/contracts/roles.ts'
import type { Tenant } from '../session/workspace.tsx'
import { formatAge } from '../view/format.ts'
import { CopyField } from './copy-field.tsx'
import { DeleteDialog } from './delete-dialog.tsx'
import type { Line } from './health.ts'
import { webhookAddress } from './webhook-address.ts'
import { Comparison } from './webhook-comparison.tsx'

type WebhookTableProps = {
  readonly lines: readonly Line[]
  readonly tenant: Tenant
  readonly now: number
  readonly onDone: (said: string) => void
}

/** Where accounts deliver, what came, and the secrets that are valid. What was refused is not counted: it leaves no trace but its rows. */
export function WebhookTable({ lines, tenant, now, onDone }: WebhookTableProps) {
  const accounts = lines.filter(({ webhook }) => webhook !== null)
  if (accounts.length === 0) return null
  const secretsOf = (account: Line) =>
    lines.filter(({ webhook_of, deleted_at }) => webhook_of === account.id && deleted_at === null)
  return (
    <table className="table">
      <caption className="fine">Webhooks. An event makes its account be polled within a minute.</caption>
      <thead>
        <tr>
          <th scope="col">Account</th>
          <th scope="col">Address</th>
          <th scope="col">State</th>
          <th scope="col">Signing secrets</th>
          <th scope="col" className="end">
            Accepted
          </th>
          <th scope="col" className="end">
            Gaps filled, 30 days
          </th>
        </tr>
      </thead>
      <tbody>
        {accounts.map((account) => (
          <tr key={account.id}>
            <th scope="row" data-label="Account">
              {account.label}
            </th>
            <td data-label="Address">
              <Address account={account} />
            </td>
            <td data-label="State">
              <StateBadge account={account} secrets={secretsOf(account).length} />
            </td>
            <td data-label="Signing secrets">
              {secretsOf(account).map((secret) => (
                <SecretLine key={secret.id} secret={secret} tenant={tenant} onDone={onDone} />
              ))}
            </td>
            <td data-label="Accepted" className="end">
              <Accepted account={account} now={now} />
            </td>
            <td data-label="Gaps filled, 30 days" className="end">
              {account.webhook !== null && <Comparison webhook={account.webhook} now={now} />}
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  )
}

function Address({ account: { label, webhook } }: { readonly account: Line }) {
  if (webhook === null) return null
  return <CopyField label={`address of ${label}`} text={webhookAddress(webhook.provider, webhook.endpoint_id)} />
}

function Accepted({ account: { webhook }, now }: { readonly account: Line; readonly now: number }) {
  if (webhook === null) return null
  const { accepted, last_received_at } = webhook
  return (
    <>
      <span className="number">{accepted}</span>
      <span className="fine">
        {last_received_at === null ? 'none yet' : formatAge(Date.parse(last_received_at), now)}
      </span>
    </>
  )
}

function StateBadge({ account, secrets }: { readonly account: Line; readonly secrets: number }) {
  if (account.deleted_at !== null) return <span className="badge">closed with its key</span>
  if (secrets === 0) return <span className="badge badge-bad">no secret: accepts nothing</span>
  return <span className="badge badge-good">{secrets === 1 ? 'open' : 'open, two secrets'}</span>
}

function SecretLine({
  secret,
  tenant,
  onDone,
}: { readonly secret: Line } & Pick<WebhookTableProps, 'tenant' | 'onDone'>) {
  const [opened, setOpened] = useState(false)
  const name = `signing secret ····${secret.last4}`
  return (
    <div className="actions">
      <code>····{secret.last4}</code>
      {roleMay(tenant.role, 'credential.delete') && (
        <button type="button" className="button-link" aria-label={`Delete: ${name}`} onClick={() => setOpened(true)}>
          Delete
        </button>
      )}
      {opened && (
        <DeleteDialog
          line={secret}
          tenantId={tenant.id}
          onClose={(done) => {
            setOpened(false)
            if (done) onDone(`The ${name} was deleted.`)
          }}
        />
      )}
    </div>
  )
}
