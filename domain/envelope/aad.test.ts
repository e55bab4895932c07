import { expect, it } from 'vitest'
import { toHex } from '../bytes.ts'
import { aadOf, type Purpose } from './aad.ts'

const PURPOSES: readonly Purpose[] = [
  'tenant-dek',
  'credential-dek',
  'audit-key',
  'credential',
  'webhook-event',
  'audit-row',
  'audit-tag',
]
const IDS = ['00000000-0000-4000-8000-000000000000', 'ffffffff-ffff-4fff-bfff-ffffffffffff'] as const
const VERSIONS = [1, 2, 256, 0xffffffff]

/** Every combination: of two that differ in one field alone, chance would try too few. */
const bindings = PURPOSES.flatMap((purpose) =>
  IDS.flatMap((tenantId) =>
    [null, ...IDS].flatMap((subjectId) =>
      VERSIONS.flatMap((keyVersion) => [
        { purpose, tenantId, subjectId, keyVersion },
        ...VERSIONS.map((kekVersion) => ({ purpose, tenantId, subjectId, keyVersion, kekVersion })),
      ]),
    ),
  ),
)

it('is different for every two bindings that differ in anything (V3)', () => {
  expect(bindings).toHaveLength(840)
  expect(new Set(bindings.map((binding) => toHex(aadOf(binding)))).size).toBe(bindings.length)
})
