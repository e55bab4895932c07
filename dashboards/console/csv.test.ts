import { expect, test } from 'vitest'
import { toCsv } from './csv.ts'

const columns = [
  { name: 'name', type: 'text', kind: 'text' },
  { name: 'change', type: 'numeric', kind: 'number' },
] as const

test('null and empty text stay apart, and quotes, commas and line breaks survive', () => {
  const rows = [
    [null, '1'],
    ['', '-2'],
    ['a "b", c\nd', null],
  ]
  expect(toCsv({ columns, rows })).toBe('name,change\r\n,1\r\n"",-2\r\n"a ""b"", c\nd",\r\n')
})

test('text that a spreadsheet would run as a formula is made text, and a negative number stays one', () => {
  const rows = [['=1+1', '-1.5']]
  expect(toCsv({ columns, rows })).toBe("name,change\r\n'=1+1,-1.5\r\n")
})
