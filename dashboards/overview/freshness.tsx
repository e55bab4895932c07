import { formatAge } from '../view/format.ts'
import { isStale } from '../view/provenance.ts'

type FreshnessProps = { readonly fetchedAt: number | null; readonly now: number; readonly failing: boolean }

/** How old the newest number is. Old numbers stay on the page, but never look new. */
export function Freshness({ fetchedAt, now, failing }: FreshnessProps) {
  if (fetchedAt === null) return null
  const age = formatAge(fetchedAt, now)
  const stale = isStale(fetchedAt, now)
  return (
    <span className="freshness">
      {failing && <span className="badge badge-bad">not refreshed: no answer</span>}
      {stale ? (
        <span className="badge badge-unsure">stale: newest data {age}</span>
      ) : (
        <span className="fine">newest data {age}</span>
      )}
    </span>
  )
}
