import type { ConsoleColumn } from '../data/schemas.ts'

type Result = { readonly columns: readonly ConsoleColumn[]; readonly rows: readonly (readonly (string | null)[])[] }

/** Text that a spreadsheet would run as a formula when it opens the file. */
const FORMULA = /^[=+\-@\t\r]/

/** RFC 4180. Null is an empty field and empty text a quoted one; text that begins like a formula gets an apostrophe, numbers stay. */
export function toCsv({ columns, rows }: Result): string {
  const header = columns.map(({ name }) => field(name, 'text'))
  const lines = rows.map((row) => row.map((value, index) => field(value, columns[index]?.kind ?? 'text')))
  return [header, ...lines].map((line) => `${line.join(',')}\r\n`).join('')
}

function field(value: string | null, kind: ConsoleColumn['kind']): string {
  if (value === null) return ''
  const safe = kind !== 'number' && FORMULA.test(value) ? `'${value}` : value
  return safe === '' || /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe
}
