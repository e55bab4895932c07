import type { Outcome } from './acts.ts'
import { outcomeWords } from './words.ts'

export function OutcomeBadge({ outcome }: { readonly outcome: Outcome }) {
  const words = outcomeWords(outcome)
  if (words === null) return null
  return (
    <>
      <span className={`badge badge-${words.tone}`}>{words.badge}</span>
      {words.more !== null && <span className="fine"> {words.more}</span>}
    </>
  )
}
