import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { randomBytes, toBase64 } from '../bytes.ts'
import { parseCheckpoint } from './checkpoint.ts'
import {
  formatShredding,
  parseShredding,
  type ShreddingCertificate,
  shareCheckValue,
  shreddingOriginOf,
} from './shredding.ts'

fc.configureGlobal({ seed: 20261126 })

const tenantId = '7e4b7a0e-9b0c-4a53-8f5e-0d0e0c6f2a11'
const digest = () => toBase64(randomBytes(32))
const certificate: ShreddingCertificate = {
  origin: shreddingOriginOf('flarewatch.test/log', tenantId),
  at: Date.UTC(2026, 10, 26, 12),
  backupsUntil: Date.UTC(2026, 11, 31, 12),
  lastSeq: 412,
  chainHead: randomBytes(32),
  root: randomBytes(32),
  releaseShare: shareCheckValue(randomBytes(32)),
  auditShare: shareCheckValue(randomBytes(32)),
  inventory: {
    deks: [
      { version: 1, kek_version: 1, wrap: digest() },
      { version: 2, kek_version: 3, wrap: digest() },
    ],
    audit_keys: [{ version: 1, kek_version: 3, wrap: digest() }],
    credentials: { count: 17, wraps: digest() },
  },
}
const text = formatShredding(certificate)

describe('a shredding certificate', () => {
  it('comes back as it went, also for a tenant that died before it had a DEK or a credential', () => {
    expect(parseShredding(text)).toEqual({ ok: true, value: certificate })
    const bare = { ...certificate, inventory: { ...certificate.inventory, deks: [], audit_keys: [] } }
    expect(parseShredding(formatShredding(bare))).toEqual({ ok: true, value: bare })
  })

  it('is no checkpoint, and no checkpoint is one (L4)', () => {
    expect(parseCheckpoint(text).ok).toBe(false)
    const hash = digest()
    const checkpoint = `${certificate.origin}\n4\n${hash}\nchain-head ${hash}\ntime 2026-12-01T02:15:00.007Z\n`
    expect(parseCheckpoint(checkpoint).ok).toBe(true)
    expect(parseShredding(checkpoint).ok).toBe(false)
  })

  it('with a line cut, doubled, swapped or added is refused', () => {
    const lines = text.slice(0, -1).split('\n')
    const whole = (changed: readonly string[]) => `${changed.join('\n')}\n`
    for (const index of lines.keys()) {
      // A DEK or the audit key less is a shorter list, and honest; everything else has its place.
      const isListed = /^(dek|audit-key) /.test(lines[index] ?? '')
      expect(parseShredding(whole(lines.toSpliced(index, 1))).ok).toBe(isListed)
      if (!isListed) expect(parseShredding(whole(lines.toSpliced(index, 0, lines[index] ?? ''))).ok).toBe(false)
      expect(parseShredding(whole(lines.toSpliced(index, 0, 'note something'))).ok).toBe(false)
    }
    expect(parseShredding(text.slice(0, -1)).ok).toBe(false)
    const [audit = '', dek = ''] = [lines.at(-2), lines.at(-3)]
    expect(parseShredding(whole(lines.toSpliced(-3, 2, audit, dek))).ok).toBe(false)
  })

  it('says either what it said or nothing, whatever one character becomes', () => {
    fc.assert(
      fc.property(fc.nat(text.length - 1), fc.constantFrom('\n', ' ', '0', 'A', '=', '-'), (at, character) => {
        const changed = text.slice(0, at) + character + text.slice(at + 1)
        const parsed = parseShredding(changed)
        if (parsed.ok) expect(formatShredding(parsed.value)).toBe(changed)
      }),
      { numRuns: 300 },
    )
  })
})
