'use client'

import { useRef, useState } from 'react'
import { randomBytes, toBase64Url } from '../../domain/bytes.ts'
import { PROVIDERS } from '../../domain/providers/registry.ts'
import {
  CredentialId,
  type TenantId,
  WEBHOOK_SCHEMES,
  WebhookEndpointId,
  type WebhookProvider,
} from '../data/schemas.ts'
import { failed } from '../data/wire.ts'
import { useWorkspace } from '../session/workspace.tsx'
import { ActDialog } from './act-dialog.tsx'
import { CopyField } from './copy-field.tsx'
import type { Line } from './health.ts'
import { webhookAddress } from './webhook-address.ts'

const MAX_SECRET = 512
const ENDPOINT_BYTES = 16
type WebhookDialogProps = {
  readonly line: Line
  readonly provider: WebhookProvider
  readonly tenantId: TenantId
  readonly onClose: (done: boolean) => void
}

/** The address comes first, since the provider shows a signing secret only once it knows one. The field itself holds the secret. */
export function WebhookDialog({ line, provider, tenantId, onClose }: WebhookDialogProps) {
  const { functions } = useWorkspace()
  const { label: name } = PROVIDERS[line.provider]
  const [ids] = useState(() => ({
    credential_id: CredentialId.parse(crypto.randomUUID()),
    endpoint_id: line.webhook?.endpoint_id ?? WebhookEndpointId.parse(toBase64Url(randomBytes(ENDPOINT_BYTES))),
  }))
  const field = useRef<HTMLInputElement>(null)
  const [edits, setEdits] = useState(0)
  const perform = async (key: string) => {
    const secret = field.current?.value.trim() ?? ''
    const shape = WEBHOOK_SCHEMES[provider].key(secret)
    if (!shape.ok) return failed(shape.code)
    const named = { tenant_id: tenantId, ...ids, webhook_of: line.id, provider, label: line.label }
    const answer = await functions.storeWebhookSecret({ ...named, secret }, key)
    if (answer.ok && field.current !== null) field.current.value = ''
    return answer
  }
  return (
    <ActDialog
      title={`Webhooks of ${line.label}`}
      confirm="Store signing secret"
      perform={perform}
      content={String(edits)}
      onClose={onClose}
    >
      <p>
        Add this address as a webhook endpoint at {name}. Then paste the signing secret that {name} shows for it. Each
        event makes the account be polled within a minute; polling goes on as before.
      </p>
      {provider === 'stripe' && (
        <p className="fine">
          Once an hour, what came is compared with Stripe’s own list of undelivered events. For that, give the
          restricted key <strong>Events: Read</strong> as well.
        </p>
      )}
      <CopyField label="Address" text={webhookAddress(provider, ids.endpoint_id)} />
      <div className="field">
        <label htmlFor="signing-secret">Signing secret</label>
        <input
          id="signing-secret"
          ref={field}
          type="password"
          className="input"
          autoComplete="off"
          autoCapitalize="none"
          spellCheck={false}
          data-1p-ignore
          data-lpignore="true"
          maxLength={MAX_SECRET}
          onInput={() => setEdits(edits + 1)}
          required
        />
      </div>
    </ActDialog>
  )
}
