'use client'

import { useState } from 'react'
import type { SiteId, TenantId } from '../data/schemas.ts'
import { failed } from '../data/wire.ts'
import { useWorkspace } from '../session/workspace.tsx'
import { ActDialog } from './act-dialog.tsx'
import type { Line } from './health.ts'
import type { Site } from './purge-dialog.tsx'

type VerifyDialogProps = {
  readonly line: Line
  readonly tenantId: TenantId
  /** Those of this credential. */
  readonly sites: readonly Site[]
  readonly onClose: (done: boolean) => void
}

/** Has Resend look at a domain's records again. */
export function VerifyDialog({ line, tenantId, sites, onClose }: VerifyDialogProps) {
  const { functions } = useWorkspace()
  const [siteId, setSiteId] = useState<SiteId | undefined>(sites[0]?.id)
  const site = sites.find(({ id }) => id === siteId)
  const perform = async (key: string) => {
    if (site === undefined) return failed('request_invalid')
    return functions.verifyDomain({ tenant_id: tenantId, credential_id: line.id, site_id: site.id, verify: true }, key)
  }
  return (
    <ActDialog
      title="Verify a domain at Resend"
      confirm="Verify this domain"
      perform={perform}
      content={siteId ?? ''}
      onClose={onClose}
    >
      <div className="field">
        <label htmlFor="verify-site">Domain</label>
        <select
          id="verify-site"
          className="input"
          value={siteId}
          onChange={(event) => setSiteId(sites.find(({ id }) => id === event.target.value)?.id)}
        >
          {sites.map(({ id, name }) => (
            <option key={id} value={id}>
              {name}
            </option>
          ))}
        </select>
      </div>
      <p>
        With <code>····{line.last4}</code>, Resend is sent exactly this, without a body:
      </p>
      <pre data-testid="sent">POST /domains/(id of {site?.name})/verify</pre>
      <p className="fine">It then looks at the DNS records again. What it finds shows after the next poll.</p>
    </ActDialog>
  )
}
