'use client'

import dynamic from 'next/dynamic'
import { useEffect, useId, useRef, useState } from 'react'
import { METRICS } from '../../domain/metrics/definitions.ts'
import { PROVIDERS } from '../../domain/providers/registry.ts'
import { healthOf, type Line } from '../credentials/health.ts'
import { HealthBadge } from '../credentials/health-notice.tsx'
import { readRevenue } from '../data/revenue.ts'
import type { SiteSummary, z } from '../data/schemas.ts'
import { readTraffic, type Traffic } from '../data/traffic.ts'
import { usePolled } from '../data/use-polled.ts'
import { isInspected } from '../findings/groups.ts'
import { SiteFindings } from '../findings/site-findings.tsx'
import { useWorkspace } from '../session/workspace.tsx'
import { FailureNotice } from '../shell/notice.tsx'
import { useNear } from '../shell/use-near.ts'
import { useNow } from '../shell/use-now.ts'
import { useOnChange } from '../shell/use-on-change.ts'
import { hasBreakdowns, PANELS } from '../view/panels.ts'
import type { Range } from '../view/ranges.ts'
import { CategoryTable } from './category-table.tsx'
import { FigureLine } from './figure-line.tsx'
import { Freshness } from './freshness.tsx'
import { ReachBadge } from './reach-badge.tsx'
import { ResponseClasses } from './response-classes.tsx'
import { SiteTops } from './site-tops.tsx'

/** The chart library is the largest part of the page: sign-in does not wait for it. */
const TrafficChart = dynamic(() => import('./traffic-chart.tsx'), {
  ssr: false,
  loading: () => <div className="skeleton chart-box" />,
})

const POLL_MS = 60_000
/** Right after connecting, the first numbers are due within a minute or two. */
const FIRST_NUMBERS_POLL_MS = 10_000

export type Site = z.infer<typeof SiteSummary>
type SitePanelProps = {
  readonly site: Site
  /** What its numbers come by; null while that is not known. */
  readonly credential: Line | null
  readonly range: Range
  readonly compare: boolean
  readonly round: number
}

export function SitePanel({ site, credential, range, compare, round }: SitePanelProps) {
  const { gateway } = useWorkspace()
  const now = useNow()
  const id = useId()
  const panel = useRef<HTMLElement>(null)
  const isNear = useNear(panel)
  const [hasNumbers, setHasNumbers] = useState(true)
  const { value, failure, refresh } = usePolled(
    `${site.id} ${range.name}`,
    hasNumbers ? POLL_MS : FIRST_NUMBERS_POLL_MS,
    () => (isMoney(site) ? readRevenue : readTraffic)(gateway, site, range, Date.now()),
    isNear,
  )
  const fetchedAt = value?.fetchedAt ?? null
  useEffect(() => {
    if (value !== null) setHasNumbers(value.fetchedAt !== null)
  }, [value])
  useOnChange(round, refresh)
  const health = credential === null ? null : healthOf(credential, now)

  return (
    <article className="panel" aria-labelledby={id} ref={panel}>
      <header className="panel-head">
        <h2 id={id}>{site.name}</h2>
        <span className="badge">{PROVIDERS[site.provider].label}</span>
        <ReachBadge site={site} now={now} />
        {health !== null && health.why !== null && <HealthBadge health={health} />}
        <Freshness fetchedAt={fetchedAt} now={now} failing={failure !== null && value !== null} />
      </header>
      {value === null && failure === null && (
        <div className="skeleton skeleton-body" role="status" aria-label={`Loading ${site.name}`} />
      )}
      {value === null && failure !== null && <FailureNotice failure={failure} onRetry={refresh} />}
      {value !== null && fetchedAt === null && (
        <p className="empty" role="status">
          No numbers for this window yet.{' '}
          {health?.why ?? 'The first poll runs within a minute of connecting; this page looks again by itself.'}
        </p>
      )}
      {value !== null && fetchedAt !== null && (
        <PanelBody traffic={value} site={site} range={range} compare={compare} />
      )}
      {value !== null && fetchedAt !== null && hasBreakdowns(site.provider) && (
        <div className="breakdowns">
          <ResponseClasses responses={value.responses} timeZone={site.time_zone} />
          <SiteTops site={site} range={range} round={round} isNear={isNear} />
        </div>
      )}
      {isInspected(site.provider) && <SiteFindings site={site} now={now} round={round} isNear={isNear} />}
    </article>
  )
}

function isMoney({ provider }: Site): boolean {
  return METRICS[PANELS[provider].charted].unit === 'minor'
}

type PanelBodyProps = {
  readonly traffic: Traffic
  readonly site: Site
  readonly range: Range
  readonly compare: boolean
}

function PanelBody({ traffic, site, range, compare }: PanelBodyProps) {
  return (
    <div className="panel-body">
      <dl className="figures">
        {traffic.figures.map((figure) => (
          <FigureLine
            key={`${figure.metric} ${figure.currency}`}
            figure={figure}
            range={range}
            timeZone={site.time_zone}
          />
        ))}
      </dl>
      <div className="panel-charts">
        <TrafficChart
          title={site.name}
          charted={traffic.charted}
          currency={traffic.currency}
          window={traffic.window}
          rows={traffic.rows}
          range={range}
          timeZone={site.time_zone}
          compare={compare}
        />
        {traffic.categories.rows.length > 0 && <CategoryTable title={site.name} categories={traffic.categories} />}
      </div>
    </div>
  )
}
