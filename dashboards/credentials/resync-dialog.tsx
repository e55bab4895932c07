'use client'

import { useState } from 'react'
import { CredentialResync, type SiteId, type TenantId } from '../data/schemas.ts'
import { failed } from '../data/wire.ts'
import { useWorkspace } from '../session/workspace.tsx'
import { ActDialog } from './act-dialog.tsx'
import type { Line } from './health.ts'
import type { Site } from './purge-dialog.tsx'

const DAY_MS = 86_400_000
const OLDEST_DAYS = 730
const SHOWN_DAYS = 7

type ResyncDialogProps = {
  readonly line: Line
  readonly tenantId: TenantId
  /** Those of this credential. */
  readonly sites: readonly Site[]
  readonly now: number
  readonly onClose: (done: boolean) => void
}

const dayBefore = (now: number, days: number) => new Date(now - days * DAY_MS).toISOString().slice(0, 10)

/** Some days of one site, or of all, are read again. What is stored stays until what is read takes its place. */
export function ResyncDialog({ line, tenantId, sites, now, onClose }: ResyncDialogProps) {
  const { functions } = useWorkspace()
  const [siteId, setSiteId] = useState<SiteId | undefined>(undefined)
  const [from, setFrom] = useState(dayBefore(now, SHOWN_DAYS))
  const [to, setTo] = useState(dayBefore(now, 0))
  const bounds = { min: dayBefore(now, OLDEST_DAYS), max: dayBefore(now, 0) }
  const perform = async (key: string) => {
    const site = siteId === undefined ? {} : { site_id: siteId }
    const request = CredentialResync.request.safeParse({
      tenant_id: tenantId,
      credential_id: line.id,
      ...site,
      from,
      to,
    })
    return request.success ? functions.resyncCredential(request.data, key) : failed('request_invalid')
  }
  return (
    <ActDialog
      title="Read some days again"
      confirm="Read again"
      perform={perform}
      content={`${siteId} ${from} ${to}`}
      onClose={onClose}
    >
      <div className="field">
        <label htmlFor="resync-site">Site</label>
        <select
          id="resync-site"
          className="input"
          value={siteId ?? ''}
          onChange={(event) => setSiteId(sites.find(({ id }) => id === event.target.value)?.id)}
        >
          <option value="">All {sites.length} of this key</option>
          {sites.map(({ id, name }) => (
            <option key={id} value={id}>
              {name}
            </option>
          ))}
        </select>
      </div>
      <div className="field">
        <label htmlFor="resync-from">First day</label>
        <input
          id="resync-from"
          className="input"
          type="date"
          required
          {...bounds}
          value={from}
          onChange={(event) => setFrom(event.target.value)}
        />
      </div>
      <div className="field">
        <label htmlFor="resync-to">Last day</label>
        <input
          id="resync-to"
          className="input"
          type="date"
          required
          {...bounds}
          value={to}
          onChange={(event) => setTo(event.target.value)}
        />
      </div>
      <p className="fine">
        Days are the site’s own. Figures stay as they are until the provider’s answer takes their place; hours are kept
        for 90 days.
      </p>
    </ActDialog>
  )
}
