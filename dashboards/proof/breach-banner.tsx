'use client'

import { formatDateTime } from '../view/format.ts'
import { breachText } from './breach-text.ts'
import { useLogCheck } from './log-check-provider.tsx'

/** Loud on purpose, and on every page. */
export function BreachBanner() {
  const { value } = useLogCheck()
  if (value?.state !== 'broken') return null
  const { breach, before } = value
  return (
    <section className="banner banner-alarm" role="alert" aria-label="The audit log does not verify">
      <p>
        <strong>The audit log does not verify.</strong> {breachText(breach)}
        {before !== null && (
          <>
            {' '}
            Seen before: the receipt over <span className="number">{before.size}</span> rows, signed{' '}
            {formatDateTime(before.at, 'UTC')} UTC.
          </>
        )}
      </p>
    </section>
  )
}
