import { expect, test } from 'vitest'
import { type Census, censusTime, formatCensus } from './census.ts'

const AT = Date.UTC(2026, 11, 1, 2, 15, 0, 7)
const CENSUS: Census = {
  at: AT,
  retires: 1,
  versions: [
    { version: 1, state: 'opening', tenantKeys: 0, auditKeys: 0, credentials: 0, checkValue: new Uint8Array(32) },
    {
      version: 2,
      state: 'wrapping',
      tenantKeys: 12,
      auditKeys: 13,
      credentials: 310,
      checkValue: new Uint8Array(32).fill(0xff),
    },
  ],
}
const [ZEROS, ONES] = ['A'.repeat(43), `${'/'.repeat(42)}8`]
const TEXT = `flarewatch-kek-census/v1
time 2026-12-01T02:15:00.007Z
retires 1
before 1 opening 0 0 0 ${ZEROS}=
before 2 wrapping 12 13 310 ${ONES}=
after 1 retired 0 0 0 ${ZEROS}=
after 2 wrapping 12 13 310 ${ONES}=
`

test('V4 a census is this text, byte for byte (docs/formats.md)', () => {
  expect(formatCensus(CENSUS)).toBe(TEXT)
  expect(censusTime(TEXT)).toEqual({ ok: true, value: AT })
})

test.each([
  ['another format', TEXT.replace('v1', 'v2')],
  ['no time', TEXT.replace('time ', 'tide ')],
  ['a time without its milliseconds', TEXT.replace('.007', '')],
  ['a day that there is not', TEXT.replace('2026-12-01', '2026-12-41')],
  ['nothing', ''],
])('V4 a text with %s is no census', (_, text) => {
  expect(censusTime(text)).toEqual({ ok: false, code: 'census_malformed' })
})
