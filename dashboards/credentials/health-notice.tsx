import Link from 'next/link'
import { type Health, healthOf, type Line } from './health.ts'

export function HealthBadge({ health: { tone, badge } }: { readonly health: Health }) {
  return <span className={`badge badge-${tone}`}>{badge}</span>
}

/** Why, and what to do next. */
export function HealthWords({ health: { why, next, replace } }: { readonly health: Health }) {
  if (why === null && next === null) return null
  return (
    <span className="fine health-words">
      {[why, next].filter((part) => part !== null).join(' ')}
      {replace && (
        <>
          {' '}
          <Link href="/connect/">Connect a new token</Link>
        </>
      )}
    </span>
  )
}

type NoticesProps = {
  readonly lines: readonly Line[]
  /** Names of the sites that each credential is for. */
  readonly sitesOf: (line: Line) => readonly string[]
  readonly now: number
}

/** The connections that need a look, above the numbers that they bring. */
export function HealthNotices({ lines, sitesOf, now }: NoticesProps) {
  const troubled = lines
    // What signs webhooks is never polled.
    .filter(({ webhook_of }) => webhook_of === null)
    .map((line) => ({ line, health: healthOf(line, now) }))
    .filter(({ health }) => health.why !== null)
    .sort((a, b) => Number(b.health.tone === 'bad') - Number(a.health.tone === 'bad'))
  if (troubled.length === 0) return null
  return (
    <section className="health" aria-label="Connections that need a look">
      {troubled.map(({ line, health }) => (
        <div key={line.id} className={`notice ${health.tone === 'bad' ? 'notice-error' : 'notice-ask'}`}>
          <p>
            <HealthBadge health={health} />{' '}
            <strong>
              {line.label} <code>····{line.last4}</code>
            </strong>{' '}
            <span className="fine">{sitesText(sitesOf(line))}</span>
          </p>
          <p>
            {health.why} {health.next}
          </p>
          {health.replace && (
            <Link href="/connect/" className="button">
              Connect a new token
            </Link>
          )}
        </div>
      ))}
    </section>
  )
}

const NAMED_SITES = 3

function sitesText(names: readonly string[]): string {
  if (names.length <= NAMED_SITES) return names.join(', ')
  return `${names.slice(0, NAMED_SITES).join(', ')} and ${names.length - NAMED_SITES} more`
}
