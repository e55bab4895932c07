import { expect, test } from 'vitest'
import { filtersOf, optionsOf, searchOf, withFilter } from './filters.ts'

const names = { me: 'me', credentials: new Map([['key', 'abcd']]) }
const known = { names, tenantId: 'agency' }
const nothing = { actor: [], action: [], target: [] }

test('filters live in the address, and an empty one is none', () => {
  const filters = filtersOf('?actor=connector&target=credential%3Akey&action=&other=1')
  expect(filters).toEqual({ actor: 'connector', target: 'credential:key' })
  expect(filtersOf(searchOf(filters))).toEqual(filters)
  expect(searchOf(withFilter(withFilter(filters, 'actor', ''), 'target', ''))).toBe('')
})

test('offered is what is always there, what was seen, and what is chosen, each once', () => {
  const seen = { ...nothing, actor: ['connector', 'user:other-one'] }
  expect(optionsOf('actor', { actor: 'user:third' }, seen, known)).toEqual([
    { value: 'user:me', label: 'You' },
    { value: 'connector', label: 'Connector' },
    { value: 'user:other-one', label: 'Member other-on' },
    { value: 'user:third', label: 'Member third' },
  ])
  expect(optionsOf('target', {}, nothing, known).map(({ label }) => label)).toEqual([
    'Credential ····abcd',
    'The agency',
  ])
})
