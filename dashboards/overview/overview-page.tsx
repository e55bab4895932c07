'use client'

import Link from 'next/link'
import { useCallback, useState } from 'react'
import { HealthNotices } from '../credentials/health-notice.tsx'
import { HistoryNotices } from '../credentials/history-progress.tsx'
import { CredentialsResponse, SitesResponse } from '../data/schemas.ts'
import { usePolled } from '../data/use-polled.ts'
import { useWorkspace } from '../session/workspace.tsx'
import { FailureNotice } from '../shell/notice.tsx'
import { useShortcuts } from '../shell/shortcuts.ts'
import { useNow } from '../shell/use-now.ts'
import { formatTime } from '../view/format.ts'
import { DEFAULT_RANGE, RANGES, type Range } from '../view/ranges.ts'
import { RangePicker } from './range-picker.tsx'
import { type Site, SitePanel } from './site-panel.tsx'

const SITES_POLL_MS = 60_000

export function OverviewPage() {
  const { gateway, tenant } = useWorkspace()
  const [range, setRange] = useState<Range>(DEFAULT_RANGE)
  const [compare, setCompare] = useState(true)
  const [round, setRound] = useState(0)
  const sites = usePolled(tenant?.id ?? '', SITES_POLL_MS, () => gateway('/api/sites', SitesResponse))
  const credentials = usePolled(tenant?.id ?? '', SITES_POLL_MS, () => gateway('/api/credentials', CredentialsResponse))
  const lines = credentials.value?.credentials ?? []
  const now = useNow()
  const { refresh: refreshSites } = sites
  const { refresh: refreshCredentials } = credentials
  const refresh = useCallback(() => {
    refreshSites()
    refreshCredentials()
    setRound((past) => past + 1)
  }, [refreshSites, refreshCredentials])

  useShortcuts({
    ...Object.fromEntries(RANGES.map((each, index) => [String(index + 1), () => setRange(each)])),
    p: () => setCompare((past) => !past),
    r: refresh,
  })

  return (
    <>
      <div className="page-head">
        <h1>Overview</h1>
        <div className="controls">
          <RangePicker range={range} onRange={setRange} />
          <label className="check">
            <input type="checkbox" checked={compare} onChange={({ target }) => setCompare(target.checked)} />
            Compare with previous
          </label>
          <button type="button" className="button" onClick={refresh} title="Refresh now (r)">
            Refresh
          </button>
          <Updated at={sites.loadedAt} />
        </div>
      </div>
      {sites.failure !== null && <FailureNotice failure={sites.failure} onRetry={refresh} />}
      {sites.value === null && sites.failure === null && (
        <div className="skeleton skeleton-panel" role="status" aria-label="Loading sites" />
      )}
      {sites.value?.sites.length === 0 && <NoSites />}
      {sites.value !== null && (
        <HealthNotices
          lines={lines}
          sitesOf={({ id }) => namesOf(sites.value?.sites.filter(({ credential_id }) => credential_id === id) ?? [])}
          now={now}
        />
      )}
      <HistoryNotices lines={lines} />
      <div className="panels">
        {inReachFirst(sites.value?.sites ?? []).map((site) => (
          <SitePanel
            key={site.id}
            site={site}
            credential={lines.find(({ id }) => id === site.credential_id) ?? null}
            range={range}
            compare={compare}
            round={round}
          />
        ))}
      </div>
    </>
  )
}

function inReachFirst(sites: readonly Site[]): readonly Site[] {
  return sites.toSorted((one, other) => Number(one.removed_at !== null) - Number(other.removed_at !== null))
}

function namesOf(sites: readonly { readonly name: string }[]): string[] {
  return sites.map(({ name }) => name)
}

function Updated({ at }: { readonly at: number | null }) {
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone
  return <span className="fine updated">{at === null ? '' : `Checked ${formatTime(at, zone)} your time`}</span>
}

function NoSites() {
  return (
    <div className="empty">
      <h2>No sites yet</h2>
      <p>Connect a key that can only read, and what it reaches becomes your sites.</p>
      <Link href="/connect/" className="button button-primary">
        Connect a provider
      </Link>
    </div>
  )
}
