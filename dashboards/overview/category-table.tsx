import { METRICS } from '../../domain/metrics/definitions.ts'
import { formatMoney } from '../view/format.ts'
import type { Categories } from '../view/money.ts'

/** What the balance changed by, taken apart as Stripe's own reports do: fees are off, and what went out is negative. */
export function CategoryTable({ categories: { currencies, rows } }: { readonly categories: Categories }) {
  return (
    <details className="values">
      <summary>By reporting category</summary>
      <div className="values-scroll">
        <table className="table table-plain">
          <thead>
            <tr>
              <th scope="col">Category</th>
              {currencies.map((currency) => (
                <th key={currency} scope="col" className="end">
                  {currency}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {rows.map(({ metric, amounts }) => (
              <tr key={metric}>
                <th scope="row">{METRICS[metric].label.replace(/^Balance: /, '')}</th>
                {currencies.map((currency, place) => (
                  <td key={currency} className="end number">
                    {typeof amounts[place] === 'number' ? formatMoney(amounts[place], currency) : '–'}
                  </td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </details>
  )
}
