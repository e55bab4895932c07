import { historyWords } from '../../domain/backfill/words.ts'
import type { Line } from './health.ts'

type HistoryProgressProps = { readonly line: Pick<Line, 'history' | 'label' | 'last4' | 'state'> }

/** How far what lies before the first poll is read, while it is. Of a parked key it waits for the next one. */
export function HistoryProgress({ line: { history, label, last4, state } }: HistoryProgressProps) {
  const words = history === null ? null : historyWords(history)
  if (history === null || words === null) return null
  return (
    <div className="history">
      {history.state === 'open' && (
        <progress max={100} value={history.percent} aria-label={`History of ${label} ····${last4}`} />
      )}
      <span className="fine">{state === 'parked' ? `${words} It goes on with a new token.` : words}</span>
    </div>
  )
}

type HistoryNoticesProps = { readonly lines: readonly Line[] }

/** Above the charts that still fill. */
export function HistoryNotices({ lines }: HistoryNoticesProps) {
  const arriving = lines.filter(({ history, deleted_at }) => history?.state === 'open' && deleted_at === null)
  if (arriving.length === 0) return null
  return (
    <section className="notice history-notices" aria-label="History that is still arriving">
      <p>
        <strong>History is still arriving.</strong> Charts fill from today backwards; polling goes on meanwhile.
      </p>
      {arriving.map((line) => (
        <div key={line.id} className="history-line">
          <span>
            {line.label} <code>····{line.last4}</code>
          </span>
          <HistoryProgress line={line} />
        </div>
      ))}
    </section>
  )
}
