import { FIELDS, type Field, type Filters, type Option } from './filters.ts'
import { isFiltered } from './use-log.ts'

type FilterBarProps = {
  readonly filters: Filters
  readonly optionsFor: (field: Field) => readonly Option[]
  readonly onFilter: (field: Field, value: string) => void
  readonly onClear: () => void
}

const LABELS: Readonly<Record<Field, { readonly name: string; readonly any: string }>> = {
  actor: { name: 'Who', any: 'Anyone' },
  action: { name: 'What', any: 'Anything' },
  target: { name: 'On what', any: 'Anything' },
}

export function FilterBar({ filters, optionsFor, onFilter, onClear }: FilterBarProps) {
  return (
    <search className="filters" aria-label="Filter the audit log">
      {FIELDS.map((field) => (
        <div key={field} className="filter">
          <label htmlFor={`filter-${field}`}>{LABELS[field].name}</label>
          <select
            id={`filter-${field}`}
            className="input"
            value={filters[field] ?? ''}
            onChange={({ target }) => onFilter(field, target.value)}
          >
            <option value="">{LABELS[field].any}</option>
            {optionsFor(field).map(({ value, label }) => (
              <option key={value} value={value}>
                {label}
              </option>
            ))}
          </select>
        </div>
      ))}
      {isFiltered(filters) && (
        <button type="button" className="button" onClick={onClear}>
          Show everything
        </button>
      )}
    </search>
  )
}
