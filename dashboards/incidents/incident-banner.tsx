'use client'

import Link from 'next/link'
import { usePathname } from 'next/navigation'
import { IncidentsResponse } from '../data/schemas.ts'
import { usePolled } from '../data/use-polled.ts'
import type { Tenant } from '../session/workspace.tsx'
import { useWorkspace } from '../session/workspace.tsx'
import { useNow } from '../shell/use-now.ts'
import { formatAge } from '../view/format.ts'
import { notableOf } from './notable.ts'

const BANNER_POLL_MS = 60_000
const PAGE = /^\/incidents\/?$/

/** On every page but the one that tells more: that something is open, what, and where to read on. */
export function IncidentBanner() {
  const { tenant } = useWorkspace()
  const path = usePathname()
  return tenant === null || PAGE.test(path) ? null : <Banner tenant={tenant} />
}

function Banner({ tenant }: { readonly tenant: Tenant }) {
  const { gateway } = useWorkspace()
  const { value } = usePolled(tenant.id, BANNER_POLL_MS, () => gateway('/api/incidents?state=open', IncidentsResponse))
  const now = useNow()
  const notable = notableOf(value?.incidents ?? [], now)
  if (notable === null) return null
  const { first, words, count } = notable
  return (
    <section
      className={`banner ${words.grave ? 'banner-alarm' : ''}`}
      role={words.grave ? 'alert' : 'status'}
      aria-label="Open incidents"
    >
      <p>
        <strong>{words.title}.</strong> Found {formatAge(Date.parse(first.at), now)}
        {count > 1 && `, and ${count - 1} more ${count === 2 ? 'incident' : 'incidents'}`}.{' '}
        <Link href="/incidents/">What it means and what to do</Link>
      </p>
    </section>
  )
}
