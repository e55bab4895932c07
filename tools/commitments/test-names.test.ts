import { describe, expect, test } from 'vitest'
import { commitmentsOf } from './test-names.ts'

describe('the commitments of a test', () => {
  test.each([
    [['V3: moved to another row it does not open'], ['V3']],
    [['V3 moved to another row it does not open'], ['V3']],
    [['V1 L1 opens one version of one record'], ['L1', 'V1']],
    [['V6, T2: the role cannot read what is sealed'], ['T2', 'V6']],
    [['A2 and T4 for nobody else'], ['A2', 'T4']],
    [['opens with neither alone (V2)'], ['V2']],
    [
      ['a wrap (V2, V3)', 'that was moved'],
      ['V2', 'V3'],
    ],
    [
      ['T4: a tenant', 'A1: a user of it', 'sees itself'],
      ['A1', 'T4'],
    ],
    [['S2'], ['S2']],
  ])('named in %j are %j', (titles, ids) => {
    expect(commitmentsOf(titles)).toEqual(ids)
  })

  test.each([
    'A password alone opens nothing',
    'the second part, V3, in a sentence',
    'V3x is no id',
    'V0 is none either',
    'ES256 with a key id',
    'AAL2 is (AAL2)',
    'A1-sized',
  ])('are none in %j', (title) => {
    expect(commitmentsOf([title])).toEqual([])
  })
})
