import { expect, test } from 'vitest'
import { placeIn } from './place.ts'

test('the place of an error is its line, its column and its word, counted as Postgres counts', () => {
  const statement = "select '😀',\n  nothing from sites\nlimit 1"
  expect(placeIn(statement, 15)).toEqual({ line: 2, column: 3, before: '  ', at: 'nothing', after: ' from sites' })
})

test('a place past the end is after the last character', () => {
  expect(placeIn('select', 99)).toEqual({ line: 1, column: 7, before: 'select', at: ' ', after: '' })
})
