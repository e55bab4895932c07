import { formatCount } from '../view/format.ts'
import type { Share } from '../view/shares.ts'

type ShareListProps = {
  readonly caption: string
  /** What is counted: the head of its column. */
  readonly noun: string
  readonly shares: readonly Share[]
  readonly isCode?: boolean
}

/** Parts of a whole, the largest first, each with a bar of its part behind its name. */
export function ShareList({ caption, noun, shares, isCode = false }: ShareListProps) {
  return (
    <table className="shares">
      <caption>{caption}</caption>
      <colgroup>
        <col />
        <col className="share-value" />
        <col className="share-part" />
      </colgroup>
      <thead className="visually-hidden">
        <tr>
          <th scope="col">{noun}</th>
          <th scope="col">Requests</th>
          <th scope="col">Part</th>
        </tr>
      </thead>
      <tbody>
        {shares.map(({ key, label, value, part }) => (
          <tr key={key} className={key === '' ? 'share-rest' : undefined}>
            <th scope="row" title={label}>
              <span className="share-bar" style={{ width: `${part * 100}%` }} aria-hidden="true" />
              {isCode && key !== '' ? <code>{label}</code> : <span>{label}</span>}
            </th>
            <td className="end number">{formatCount(value)}</td>
            <td className="end number fine">{percentText(part)}</td>
          </tr>
        ))}
      </tbody>
    </table>
  )
}

/** A small part is not none. */
function percentText(part: number): string {
  return part > 0 && part < 0.0005 ? '<0.1 %' : `${(part * 100).toFixed(1)} %`
}
