import fc from 'fast-check'
import { expect, it } from 'vitest'
import { toHex } from '../bytes.ts'
import { aadOf, type Purpose } from './aad.ts'

fc.configureGlobal({ seed: 20261124 })

const purposes: readonly Purpose[] = [
  'tenant-dek',
  'credential-dek',
  'audit-key',
  'credential',
  'audit-row',
  'audit-tag',
]
const ids = ['00000000-0000-4000-8000-000000000000', 'ffffffff-ffff-4fff-bfff-ffffffffffff']
const version = fc.constantFrom(1, 2, 256, 0xffffffff)
const binding = fc.record(
  {
    purpose: fc.constantFrom(...purposes),
    tenantId: fc.constantFrom(...ids),
    subjectId: fc.constantFrom(null, ...ids),
    keyVersion: version,
    kekVersion: version,
  },
  { requiredKeys: ['purpose', 'tenantId', 'subjectId', 'keyVersion'] },
)

it('is different for every two bindings that differ in anything (V3)', () => {
  fc.assert(
    fc.property(binding, binding, (one, other) => {
      const same = JSON.stringify(Object.entries(one).sort()) === JSON.stringify(Object.entries(other).sort())
      expect(toHex(aadOf(one)) === toHex(aadOf(other))).toBe(same)
    }),
    { numRuns: 500 },
  )
})
