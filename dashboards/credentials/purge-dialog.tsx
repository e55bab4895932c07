'use client'

import { useState } from 'react'
import { Purge, type SiteId, type SitesResponse, type TenantId, type z } from '../data/schemas.ts'
import { failed } from '../data/wire.ts'
import { useWorkspace } from '../session/workspace.tsx'
import { ActDialog } from './act-dialog.tsx'
import type { Line } from './health.ts'

export type Site = z.infer<typeof SitesResponse>['sites'][number]
type PurgeDialogProps = {
  readonly line: Line
  readonly tenantId: TenantId
  /** Those of this credential. */
  readonly sites: readonly Site[]
  readonly onClose: (done: boolean) => void
}

/** Everything where no address is given. What is shown is what is sent: the request is made of it, and the permission covers it alone. */
export function PurgeDialog({ line, tenantId, sites, onClose }: PurgeDialogProps) {
  const { functions } = useWorkspace()
  const [siteId, setSiteId] = useState<SiteId | undefined>(sites[0]?.id)
  const [addresses, setAddresses] = useState('')
  const purge = purgeOf(addresses)
  const site = sites.find(({ id }) => id === siteId)
  const perform = async (key: string) => {
    const parsed = Purge.safeParse(purge)
    if (site === undefined || !parsed.success) return failed('request_invalid')
    const request = { tenant_id: tenantId, credential_id: line.id, site_id: site.id, purge: parsed.data }
    return functions.purgeCache(request, key)
  }
  const sent = JSON.stringify(purge, null, 2)
  return (
    <ActDialog
      title="Purge cache at Cloudflare"
      confirm={'files' in purge ? 'Purge these addresses' : 'Purge everything'}
      perform={perform}
      content={`${siteId} ${sent}`}
      onClose={onClose}
    >
      <div className="field">
        <label htmlFor="purge-site">Site</label>
        <select
          id="purge-site"
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
      <div className="field">
        <label htmlFor="purge-files">Addresses, one a line; none for everything</label>
        <textarea
          id="purge-files"
          className="input"
          rows={4}
          value={addresses}
          spellCheck={false}
          onChange={(event) => setAddresses(event.target.value)}
        />
      </div>
      <p>
        With <code>····{line.last4}</code>, Cloudflare is sent exactly this for <strong>{site?.name}</strong>:
      </p>
      <pre data-testid="sent">{sent}</pre>
    </ActDialog>
  )
}

function purgeOf(addresses: string): { readonly purge_everything: true } | { readonly files: readonly string[] } {
  const files = addresses
    .split('\n')
    .map((address) => address.trim())
    .filter((address) => address !== '')
  return files.length === 0 ? { purge_everything: true } : { files }
}
