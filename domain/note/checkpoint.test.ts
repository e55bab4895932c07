import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type Checkpoint, formatCheckpoint, originOf, parseCheckpoint } from './checkpoint.ts'

fc.configureGlobal({ seed: 20261124 })

const MALFORMED = { ok: false, code: 'checkpoint_malformed' }
const checkpoint: Checkpoint = {
  origin: originOf('flarewatch.test/log', '0b3e6f1a-5a3c-4a0c-9f0b-6b1f0a522f66'),
  size: 20_852_163,
  root: new Uint8Array(32).fill(7),
  chainHead: new Uint8Array(32).fill(9),
  at: Date.UTC(2026, 10, 24, 2, 15, 0, 7),
}
const text = formatCheckpoint(checkpoint)
const lines = text.slice(0, -1).split('\n')
const withLine = (at: number, line: string) => `${lines.with(at, line).join('\n')}\n`

describe('a checkpoint', () => {
  it('is five lines, and comes back as it went (L4)', () => {
    const B64 = { root: `${'Bw'.padEnd(43, 'cHBw')}=`, head: `${'CQ'.padEnd(43, 'kJCQ')}=` }
    expect(lines).toEqual([
      'flarewatch.test/log/0b3e6f1a-5a3c-4a0c-9f0b-6b1f0a522f66',
      '20852163',
      B64.root,
      `chain-head ${B64.head}`,
      'time 2026-11-24T02:15:00.007Z',
    ])
    expect(parseCheckpoint(text)).toEqual({ ok: true, value: checkpoint })
  })

  it('passes over extension lines that it does not know', () => {
    expect(parseCheckpoint(`${text}someone-elses extension\n`)).toEqual({ ok: true, value: checkpoint })
  })

  it.each([
    ['no newline at its end', text.slice(0, -1)],
    ['a blank line', `${text}\n`],
    ['an empty origin', withLine(0, '')],
    ['a space in its origin', withLine(0, 'a b')],
    ['a size with leading zeros', withLine(1, '007')],
    ['a negative size', withLine(1, '-1')],
    ['a size beyond exact numbers', withLine(1, '9007199254740992')],
    ['a root that is too short', withLine(2, 'AAAA')],
    ['a root in base64url', withLine(2, '_'.repeat(43))],
    ['no chain head', withLine(3, 'other extension')],
    ['a time in another zone', withLine(4, 'time 2026-11-24T03:15:00.007+01:00')],
    ['a time without milliseconds', withLine(4, 'time 2026-11-24T02:15:00Z')],
    ['a day that does not exist', withLine(4, 'time 2026-02-30T02:15:00.000Z')],
    ['extensions in another order', `${[...lines.slice(0, 3), lines[4], lines[3]].join('\n')}\n`],
    ['too much text', `${text}${'x'.repeat(20_000)}\n`],
  ])('with %s is malformed', (_, malformed) => {
    expect(parseCheckpoint(malformed)).toEqual(MALFORMED)
  })

  it('has one text: what parses is written as it was read', () => {
    fc.assert(
      fc.property(fc.nat({ max: text.length - 1 }), fc.string({ maxLength: 2 }), (at, inserted) => {
        const parsed = parseCheckpoint(text.slice(0, at) + inserted + text.slice(at + 1))
        if (parsed.ok) expect(formatCheckpoint(parsed.value)).toBe(text.slice(0, at) + inserted + text.slice(at + 1))
      }),
      { numRuns: 500 },
    )
  })

  it('is not written with what it cannot hold', () => {
    for (const wrong of [{ size: -1 }, { size: 0.5 }, { root: new Uint8Array(31) }, { origin: 'a b' }, { at: -1 }]) {
      expect(() => formatCheckpoint({ ...checkpoint, ...wrong })).toThrow(RangeError)
    }
  })
})
