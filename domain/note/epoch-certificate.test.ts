import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { chainedRows } from '../audit/row.fixture.ts'
import type { AuditRow } from '../audit/row.ts'
import { MerkleFrontier } from '../merkle/frontier.ts'
import {
  closeReceipts,
  type EpochCertificate,
  epochOriginOf,
  formatEpochCertificate,
  hashCertificateText,
  parseEpochCertificate,
} from './epoch-certificate.ts'

fc.configureGlobal({ seed: 20261124 })

const tenantId = crypto.randomUUID()
const DAY_MS = 86_400_000
/** Twelve rows of October 2025, then eight of November. */
const rows = chainedRows(tenantId, 20, Date.UTC(2025, 9, 20, 12), DAY_MS)
const OCTOBER = 12

function certificateOf(firstSeq: number, lastSeq: number, changed: Partial<EpochCertificate> = {}): EpochCertificate {
  const [last, tree] = [rows[lastSeq - 1], new MerkleFrontier()]
  if (last === undefined) throw new Error('no such row')
  for (const { hash } of rows.slice(0, lastSeq)) tree.append(hash)
  return {
    origin: epochOriginOf('flarewatch.test/log', tenantId, last.epoch),
    epoch: last.epoch,
    firstSeq,
    lastSeq,
    lastHash: last.hash,
    lastAt: last.at,
    root: tree.root(),
    frontier: tree.hashes,
    receipts: closeReceipts([{ size: lastSeq, root: tree.root() }]),
    previous: firstSeq === 1 ? null : hashCertificateText('the one before'),
    at: Date.UTC(2026, 10, 1, 2, 15),
    ...changed,
  }
}

describe('an epoch certificate (L5)', () => {
  it('comes back as it went, the first of a tenant and a later one', () => {
    for (const certificate of [certificateOf(1, OCTOBER), certificateOf(OCTOBER + 1, rows.length)]) {
      expect(parseEpochCertificate(formatEpochCertificate(certificate))).toEqual({ ok: true, value: certificate })
    }
  })

  it('carries all that the tree needs to go on: the next rows give the root of the whole', () => {
    const parsed = parseEpochCertificate(formatEpochCertificate(certificateOf(1, OCTOBER)))
    if (!parsed.ok) throw new Error(parsed.code)
    const resumed = MerkleFrontier.resume(parsed.value.lastSeq, parsed.value.frontier)
    for (const { hash } of rows.slice(OCTOBER)) resumed?.append(hash)
    expect(resumed?.root()).toEqual(certificateOf(OCTOBER + 1, rows.length).root)
  })

  it.each<[string, Partial<EpochCertificate>]>([
    ['a root that its frontier does not give', { root: new Uint8Array(32) }],
    ['the frontier of another size', { frontier: [new Uint8Array(32)] }],
    ['a last row outside its epoch', { lastAt: Date.UTC(2025, 10, 1) }],
    ['a predecessor before the first row', { previous: new Uint8Array(32) }],
    ['rows in front and no predecessor', { firstSeq: 5, previous: null }],
    ['no rows', { firstSeq: OCTOBER + 1, previous: new Uint8Array(32) }],
    ['more receipts than sizes', { receipts: { count: OCTOBER + 1, digest: new Uint8Array(32) } }],
  ])('with %s is never made', (_, changed) => {
    expect(() => formatEpochCertificate(certificateOf(1, OCTOBER, changed))).toThrow(RangeError)
  })

  it('never reads as another one, whatever one character becomes', () => {
    const text = formatEpochCertificate(certificateOf(OCTOBER + 1, rows.length))
    fc.assert(
      fc.property(fc.nat(), fc.constantFrom('\n', 'A', ' ', '0', '1', 'x'), (offset, character) => {
        const at = offset % text.length
        const parsed = parseEpochCertificate(text.slice(0, at) + character + text.slice(at + 1))
        // Names, times and hashes may turn into others, which the signature is for; what is then read is still coherent.
        if (parsed.ok) expect(parseEpochCertificate(formatEpochCertificate(parsed.value))).toEqual(parsed)
      }),
      { numRuns: 500 },
    )
  })

  it.each<[string, (lines: string[]) => string[]]>([
    ['its count', (lines) => lines.with(6, 'rows 13')],
    ['two lines swapped', (lines) => lines.with(5, lines[6] ?? '').with(6, lines[5] ?? '')],
    ['a month that there is not', (lines) => lines.with(0, lines[0]?.replace(/\d\d$/, '13') ?? '')],
    ['no epoch', (lines) => lines.with(0, lines[0]?.replace('/epoch/', '/') ?? '')],
    ['a number with a leading zero', (lines) => lines.with(5, 'first-seq 01')],
    ['no receipts', (lines) => lines.toSpliced(9, 1)],
    ['a word for a predecessor', (lines) => lines.with(10, 'previous nothing')],
  ])('with %s changed is malformed', (_, change) => {
    const lines = formatEpochCertificate(certificateOf(1, OCTOBER)).trimEnd().split('\n')
    expect(parseEpochCertificate(`${change(lines).join('\n')}\n`)).toEqual({ ok: false, code: 'certificate_malformed' })
  })

  it('passes over lines that come later, as checkpoints do', () => {
    const text = formatEpochCertificate(certificateOf(1, OCTOBER))
    expect(parseEpochCertificate(`${text}later something\n`)).toEqual(parseEpochCertificate(text))
  })
})

describe('the receipts that a certificate closes (L5)', () => {
  const receipts = rows.slice(0, 5).map(({ seq, hash }: AuditRow) => ({ size: seq, root: hash }))

  it('are bound, each by size and root', () => {
    const { count, digest } = closeReceipts(receipts)
    expect(count).toBe(5)
    const others = receipts.flatMap((_, at) => [
      receipts.toSpliced(at, 1),
      receipts.with(at, { size: at + 1, root: new Uint8Array(32) }),
    ])
    for (const other of others) expect(closeReceipts(other).digest).not.toEqual(digest)
  })

  it('have one order', () => {
    expect(() => closeReceipts(receipts.toReversed())).toThrow(RangeError)
    expect(() => closeReceipts([receipts[0], receipts[0]].filter((each) => each !== undefined))).toThrow(RangeError)
  })
})
