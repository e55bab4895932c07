'use client'

import { FindingsResponse, type SiteSummary, type z } from '../data/schemas.ts'
import { usePolled } from '../data/use-polled.ts'
import { useWorkspace } from '../session/workspace.tsx'
import { FailureNotice } from '../shell/notice.tsx'
import { useOnChange } from '../shell/use-on-change.ts'
import { formatAge, formatDateTime } from '../view/format.ts'
import { countsText, type Finding, type Group, groupsOf, levelNoun } from './groups.ts'

const POLL_MS = 60_000

type SiteFindingsProps = {
  readonly site: z.infer<typeof SiteSummary>
  readonly now: number
  readonly round: number
  readonly isNear: boolean
}

/** What is wrong at the provider, since when and what to do; and what was, until lately. */
export function SiteFindings({ site, now, round, isNear }: SiteFindingsProps) {
  const { gateway } = useWorkspace()
  const { value, failure, refresh } = usePolled(
    site.id,
    POLL_MS,
    () => gateway(`/api/sites/${site.id}/findings`, FindingsResponse),
    isNear,
  )
  useOnChange(round, refresh)

  if (value === null && failure === null) return <div className="skeleton findings-skeleton" aria-hidden="true" />
  if (value === null) return failure && <FailureNotice failure={failure} onRetry={refresh} />
  const { open, resolved, more } = value
  return (
    <div className="findings">
      <h3>
        Findings <span className="fine">{open.length === 0 ? 'none is open' : countsText(open)}</span>
        {failure !== null && <span className="badge badge-bad">not refreshed: no answer</span>}
      </h3>
      {groupsOf(open).map((group) => (
        <GroupDetails key={group.kind} group={group} now={now} />
      ))}
      {resolved.length > 0 && <Resolved findings={resolved} />}
      {more && <p className="fine">There are others. Read them in the console, from warehouse.findings.</p>}
    </div>
  )
}

const BADGES = { error: 'badge badge-bad', warning: 'badge badge-unsure', info: 'badge' } as const

function GroupDetails({ group, now }: { readonly group: Group; readonly now: number }) {
  const { kind, level, title, means, remedy, findings } = group
  const newest = Math.max(...findings.map(({ first_seen }) => Date.parse(first_seen)))
  return (
    <details className="finding">
      <summary>
        <span className={BADGES[level]}>{levelNoun(level)}</span>
        <span className="finding-title">{title}</span>
        <span className="fine number">
          {findings.length === 1 ? findings[0]?.subject : `on ${findings.length}`} · newest {formatAge(newest, now)}
        </span>
      </summary>
      <p>{means}</p>
      <p>
        <strong>What to do:</strong> {remedy}
      </p>
      <ul>
        {findings.map((finding) => (
          <li key={finding.subject}>
            <code>{finding.subject}</code>
            <span className="fine">
              {finding.detail !== null && `${finding.detail} · `}since <Instant at={finding.first_seen} />
            </span>
          </li>
        ))}
      </ul>
      <p className="fine">
        Known as <code>{kind}</code>.
      </p>
    </details>
  )
}

function Resolved({ findings }: { readonly findings: readonly Finding[] }) {
  return (
    <details className="finding">
      <summary>
        <span className="badge badge-good">gone</span>
        <span className="finding-title">Resolved in the last 30 days</span>
        <span className="fine number">{findings.length}</span>
      </summary>
      <ul>
        {findings.map(({ kind, subject, first_seen, resolved_at }) => (
          <li key={`${kind} ${subject} ${first_seen}`}>
            <code>{subject}</code>
            <span className="fine">
              <code>{kind}</code>, <Instant at={first_seen} /> to {resolved_at !== null && <Instant at={resolved_at} />}
            </span>
          </li>
        ))}
      </ul>
    </details>
  )
}

function Instant({ at }: { readonly at: string }) {
  return (
    <time className="number" dateTime={at}>
      {formatDateTime(Date.parse(at), 'UTC')} UTC
    </time>
  )
}
