import { formatAge } from '../view/format.ts'
import type { Line } from './health.ts'

type Webhook = NonNullable<Line['webhook']>

/** What the connector says of a comparison that could not be made, and what to do. */
const REASONS: Readonly<Record<string, string>> = {
  provider_forbidden: 'The key may not read events. At the provider, give it Events: Read.',
  provider_unauthorized: 'The provider no longer accepts the key.',
  provider_rate_limited: 'The provider asked to slow down. The comparison goes on by itself.',
  webhook_unregistered: 'The provider delivers to no such address. Enter it there.',
}
const OTHERWISE = 'The last comparison failed. It is made again by itself.'

/** What never came and was found in the provider's own list, in the last thirty days; or why that is not known. */
export function Comparison({ webhook, now }: { readonly webhook: Webhook; readonly now: number }) {
  const { days, reconciled_until, reconcile_code } = webhook
  const sum = (of: 'duplicates' | 'gaps') => days.reduce((total, day) => total + day[of], 0)
  const compared =
    reconciled_until === null ? 'not compared yet' : `compared ${formatAge(Date.parse(reconciled_until), now)}`
  return (
    <>
      <span className="number">{sum('gaps')}</span>
      <span className="fine">
        {sum('duplicates')} came twice, {compared}
      </span>
      {reconcile_code !== null && <span className="fine">{REASONS[reconcile_code] ?? OTHERWISE}</span>}
    </>
  )
}
