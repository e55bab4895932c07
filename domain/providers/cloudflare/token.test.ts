import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { judgeTokenShape } from './token.ts'

fc.configureGlobal({ seed: 20261124 })

const body = 'A1b2C3d4E5f6G7h8I9j0-_K1l2M3n4O5p6Q7r8S9'

describe('the shape of a Cloudflare token', () => {
  it.each([
    [`cfut_${body}`, 'user'],
    [`cfat_${body}`, 'account'],
    [body, 'legacy'],
  ])('of %s is accepted as %s', (text, kind) => {
    expect(judgeTokenShape(text)).toEqual({ ok: true, value: kind })
  })

  it.each([`cfk_${body}`, 'cfk_', '0123456789abcdef0123456789abcdef01234', '0123456789ABCDEF0123456789ABCDEF01234'])(
    'of a global key is refused as one: %s (T5)',
    (text) => {
      expect(judgeTokenShape(text)).toEqual({ ok: false, code: 'credential_global_key' })
    },
  )

  it.each([
    '',
    'cfut_',
    `cfut_${body} `,
    `${body}\n`,
    `${body}x`,
    body.slice(1),
    `Bearer ${body}`,
    `cfut_${'a'.repeat(201)}`,
  ])('that no token has is refused: %j', (text) => {
    expect(judgeTokenShape(text)).toEqual({ ok: false, code: 'credential_malformed' })
  })

  it('lets nothing through that would not travel in a header as it is', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: 'binary', maxLength: 60 }),
        fc.constantFrom('', 'cfut_', 'cfat_'),
        (text, prefix) => {
          if (judgeTokenShape(prefix + text).ok) expect(prefix + text).toMatch(/^[A-Za-z0-9_-]{25,205}$/)
        },
      ),
      { numRuns: 300 },
    )
  })
})
