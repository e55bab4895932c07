import { RANGES, type Range } from '../view/ranges.ts'

type RangePickerProps = { readonly range: Range; readonly onRange: (range: Range) => void }

export function RangePicker({ range, onRange }: RangePickerProps) {
  return (
    <fieldset className="segments">
      <legend className="visually-hidden">Range</legend>
      {RANGES.map((each, index) => (
        <label key={each.name} title={`Show ${each.noun} (${index + 1})`}>
          <input
            type="radio"
            name="range"
            value={each.name}
            checked={each.name === range.name}
            onChange={() => onRange(each)}
          />
          <span>{each.label}</span>
        </label>
      ))}
    </fieldset>
  )
}
