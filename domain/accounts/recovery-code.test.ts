import { describe, expect, test } from 'vitest'
import { UserId } from '../contracts/ids.ts'
import { typedRecoveryCode } from '../contracts/recovery-code.ts'
import { newRecoveryCodes, recoveryCodeHash } from './recovery-code.ts'

const [ada, bo] = ['11111111-1111-4111-8111-111111111111', '22222222-2222-4222-8222-222222222222'].map((id) =>
  UserId.parse(id),
)

describe('a recovery code', () => {
  test('has 100 bits: 20 signs of 32, and no two are alike', () => {
    const codes = Array.from({ length: 100 }, newRecoveryCodes).flat()
    expect(new Set(codes).size).toBe(1000)
    for (const code of codes) expect(code).toMatch(/^([0-9A-HJKMNP-TV-Z]{5}-){3}[0-9A-HJKMNP-TV-Z]{5}$/)
    expect(new Set(codes.join('').replaceAll('-', '')).size).toBe(32)
  })

  test('is read as people type it', () => {
    expect(typedRecoveryCode(' abcde fghjk-mnpqr o1il5 ')).toBe('ABCDE-FGHJK-MNPQR-01115')
    expect(typedRecoveryCode('ABCDE-FGHJK-MNPQR')).toBeNull()
    expect(typedRecoveryCode('ABCDE-FGHJK-MNPQR-0U115')).toBeNull()
  })

  test('T2: is stored as a hash that is of one person alone', () => {
    if (ada === undefined || bo === undefined) throw new Error('no people')
    const code = 'ABCDE-FGHJK-MNPQR-01115'
    expect(recoveryCodeHash(ada, code)).toBe(recoveryCodeHash(ada, code))
    expect(recoveryCodeHash(ada, code)).not.toBe(recoveryCodeHash(bo, code))
    expect(recoveryCodeHash(ada, code)).toMatch(/^[\w-]{43}$/)
  })
})
