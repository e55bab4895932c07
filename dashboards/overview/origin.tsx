import type { Figure } from '../view/figures.ts'
import { zoneLabel } from '../view/format.ts'
import { coverageText, daysText, fetchedText, samplingText, sourceText } from '../view/provenance.ts'

/** Where a number comes from, when it was fetched, and how much of its window it covers. */
export function Origin({ figure, timeZone }: { readonly figure: Figure; readonly timeZone: string }) {
  const { provenance, coverage, window, meanOf } = figure
  if (provenance === null) return 'no data for this window'
  const parts = [
    sourceText(provenance.source),
    daysText(window, zoneLabel(timeZone)),
    meanOf === null || meanOf === 1 ? null : `mean of ${meanOf} days`,
    fetchedText(provenance, Date.now(), timeZone),
    samplingText(provenance.sampling),
  ].filter((part) => part !== null)
  return (
    <>
      {parts.join(' · ')} ·{' '}
      <span className={coverage.missing === 0 ? undefined : 'gaps'}>{coverageText(coverage, window.grain)}</span>
    </>
  )
}
