import { formatAge, formatDay } from '../view/format.ts'
import type { Site } from './site-panel.tsx'

/** How long a site that a poll found is called new. */
const NEW_MS = 7 * 24 * 3_600_000

type ReachBadgeProps = { readonly site: Site; readonly now: number }

/** Of a site that came to the key's reach lately, or left it. */
export function ReachBadge({ site: { found_at, removed_at }, now }: ReachBadgeProps) {
  if (removed_at !== null) {
    return (
      <span className="badge badge-unsure" title="The key reaches it no more: it is not polled, and its figures stay.">
        out of the key’s reach since {formatDay(Date.parse(removed_at), 'UTC')}
      </span>
    )
  }
  if (found_at === null || now - Date.parse(found_at) > NEW_MS) return null
  return (
    <span className="badge badge-good" title="The key’s owner has added it; a poll has found it.">
      new, found {formatAge(Date.parse(found_at), now)}
    </span>
  )
}
