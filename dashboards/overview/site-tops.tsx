'use client'

import { readTops } from '../data/tops.ts'
import { usePolled } from '../data/use-polled.ts'
import { useWorkspace } from '../session/workspace.tsx'
import { FailureNotice } from '../shell/notice.tsx'
import { useOnChange } from '../shell/use-on-change.ts'
import { daysText, fetchedText, samplingText, sourceText } from '../view/provenance.ts'
import { type Range, STEP_MS, type Window } from '../view/ranges.ts'
import type { Top } from '../view/shares.ts'
import { ShareList } from './share-list.tsx'
import type { Site } from './site-panel.tsx'

/** Days change slowly: countries come with a poll, paths once a day. */
const POLL_MS = 5 * 60_000

type SiteTopsProps = {
  readonly site: Site
  readonly range: Range
  readonly round: number
  readonly isNear: boolean
}

/** Where a site's requests come from, and what they ask for. */
export function SiteTops({ site, range, round, isNear }: SiteTopsProps) {
  const { gateway } = useWorkspace()
  const { value, failure, refresh } = usePolled(
    `${site.id} ${range.name}`,
    POLL_MS,
    () => readTops(gateway, site.id, range, Date.now()),
    isNear,
  )
  useOnChange(round, refresh)

  if (value === null && failure !== null) return <FailureNotice failure={failure} onRetry={refresh} />
  if (value === null) return <div className="skeleton breakdown-skeleton" aria-hidden="true" />
  const { window, country, path } = value
  return (
    <>
      <TopList caption="Countries" noun="Country" top={country} window={window} />
      <TopList caption="Paths" noun="Path" top={path} window={window} isCode />
      {failure !== null && <span className="badge badge-bad">countries and paths not refreshed: no answer</span>}
    </>
  )
}

type TopListProps = {
  readonly caption: string
  readonly noun: string
  readonly top: Top
  readonly window: Window
  readonly isCode?: boolean
}

function TopList({ caption, noun, top, window, isCode = false }: TopListProps) {
  const { shares, rest, provenance } = top
  return (
    <div className="breakdown">
      {provenance === null ? (
        <>
          <h3 className="breakdown-title">{caption}</h3>
          <p className="fine">No day of this window was read yet.</p>
        </>
      ) : (
        <>
          <ShareList
            caption={caption}
            noun={noun}
            shares={rest.value > 0 ? [...shares, rest] : shares}
            isCode={isCode}
          />
          <p className="provenance">{originText(top, window)}</p>
        </>
      )}
    </div>
  )
}

/** "httpRequestsAdaptiveGroups · 21 Nov to 27 Nov (UTC days), 6 of 7 read · fetched 15:13 UTC · estimated from 1 in 10" */
function originText({ days, provenance }: Top, window: Window): string {
  if (provenance === null) return ''
  const touched = (window.to - window.from) / STEP_MS.day
  const span = daysText(window, 'UTC')
  const parts = [
    sourceText(provenance.source),
    days === touched ? span : `${span}, ${days} of ${touched} read`,
    fetchedText(provenance, Date.now(), 'UTC'),
    samplingText(provenance.sampling),
    ...(provenance.completeness === 'partial' ? ['last day unfinished'] : []),
  ]
  return parts.join(' · ')
}
