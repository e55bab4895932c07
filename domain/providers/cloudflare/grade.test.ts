import { describe, expect, it } from 'vitest'
import { describeScope, gradeZones } from './grade.ts'

const read = { permissions: ['#analytics:read', '#zone:read'] }

describe('gradeZones', () => {
  it('T5: grades a token that may only read in every zone as read-only', () => {
    expect(gradeZones([read, read])).toBe('read_only')
  })
  it('T5: grades a token with one edit in one zone as over-scoped', () => {
    expect(gradeZones([read, { permissions: ['#zone:read', '#zone:edit'] }])).toBe('over_scoped')
  })
  it('T5: takes any verb that it does not know for more than a read', () => {
    expect(gradeZones([{ permissions: ['#zone:read', '#cache_purge:purge'] }])).toBe('over_scoped')
  })
  it('T5: proves nothing where a zone lists no permissions, or where there is no zone', () => {
    expect(gradeZones([read, {}])).toBe('not_proven_read_only')
    expect(gradeZones([read, { permissions: [] }])).toBe('not_proven_read_only')
    expect(gradeZones([])).toBe('not_proven_read_only')
  })
})

describe('describeScope', () => {
  it('names zones and permissions without repeats', () => {
    expect(describeScope([read, read])).toBe('2 zones: analytics:read, zone:read')
    expect(describeScope([{}])).toBe('1 zone: permissions not listed')
  })
  it('keeps a long list short', () => {
    const permissions = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'].map((name) => `#${name}:read`)
    expect(describeScope([{ permissions }])).toBe('1 zone: a:read, b:read, c:read, d:read, e:read, f:read and 2 more')
  })
})
