import { createHash } from 'node:crypto'
import { expect, test } from 'vitest'
import { qrCode, qrCodeSvg } from './qr-code.ts'

const bytes = (length: number) =>
  new TextEncoder().encode('otpauth://totp/Acme:a@b.c?secret='.repeat(90).slice(0, length))

/** Length, version, digest of the modules. Each was read back by an independent reader (jsQR 1.4.0) before it was written down. */
const KNOWN = [
  [10, 1, 'fea9cf50978bec5b'],
  [60, 4, '9f6ba3280ef9b15d'],
  [100, 5, 'b5828445b7ea496f'],
  [134, 6, 'cd98e0a8e6cd2546'],
  [160, 8, '5210033eb262c514'],
  [272, 11, 'f96070863644b506'],
  [700, 18, '78c714a0fe9ef3c4'],
  [2900, 40, '16f4edc7cddfaade'],
] as const

test.each(KNOWN)('a QR code of %i bytes is version %i', (length, version, digest) => {
  const rows = qrCode(bytes(length))
  expect(rows.length).toBe(17 + 4 * version)
  const bits = rows.map((row) => row.map(Number).join('')).join('\n')
  expect(createHash('sha256').update(bits).digest('hex').slice(0, 16)).toBe(digest)
})

test('level L with mask 0 shows the format bits of the standard (Annex C)', () => {
  const row = qrCode(bytes(10))[8] ?? []
  const bits = [...row.slice(0, 6), row[7], ...row.slice(13)].map((dark) => (dark ? 1 : 0)).join('')
  expect(bits).toBe('111011111000100')
})

test('an SVG fits into a data address without escaping', () => {
  expect(qrCodeSvg('otpauth://totp/Acme:a@b.c?secret=JBSWY3DPEHPK3PXP')).not.toMatch(/[#%]/)
})

test('what does not fit is refused', () => {
  expect(() => qrCode(bytes(2954))).toThrow(RangeError)
})
