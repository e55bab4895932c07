import fc from 'fast-check'
import { beforeAll, describe, expect, it } from 'vitest'
import { MerkleFrontier } from '../merkle/frontier.ts'
import { formatCheckpoint, originOf } from '../note/checkpoint.ts'
import { generateSigner, type NoteSigner, type NoteVerifier, signNote } from '../note/signed-note.ts'
import { encodeExportLine, parseExportLine } from './export.ts'
import { ExportVerifier } from './export-verifier.ts'
import { chainedRows, rehash } from './row.fixture.ts'
import { type AuditRow, genesisHash } from './row.ts'

fc.configureGlobal({ seed: 20261124 })

const tenantId = crypto.randomUUID()
const rows = chainedRows(tenantId, 12)
let signer: NoteSigner
let file: string[]

beforeAll(async () => {
  signer = await generateSigner('flarewatch.test/log')
  file = await exportOf(rows, signer)
})

async function exportOf(given: readonly AuditRow[], by: NoteSigner, firstSeq = 1): Promise<string[]> {
  const frontier = new MerkleFrontier()
  for (const { hash } of given.slice(0, firstSeq - 1)) frontier.append(hash)
  const header = encodeExportLine({
    kind: 'header',
    tenantId,
    firstSeq,
    previousHash: given[firstSeq - 2]?.hash ?? genesisHash(tenantId),
    frontier: frontier.hashes,
  })
  for (const { hash } of given.slice(firstSeq - 1)) frontier.append(hash)
  const last = given.at(-1)
  const checkpoint = formatCheckpoint({
    origin: originOf(by.name, tenantId),
    size: given.length,
    root: frontier.root(),
    chainHead: last?.hash ?? genesisHash(tenantId),
    at: last?.at ?? 0,
  })
  const lines = given.slice(firstSeq - 1).map((row) => encodeExportLine({ kind: 'row', row }))
  const note = encodeExportLine({ kind: 'checkpoint', note: await signNote(checkpoint, [by]) })
  return [header, ...lines, note].map((line) => line.slice(0, -1))
}

async function judge(lines: readonly string[], trusted: readonly NoteVerifier[] = [signer]) {
  const verifier = new ExportVerifier(trusted)
  for (const line of lines) if (!verifier.feed(line)) break
  return verifier.finish()
}

describe('an export', () => {
  it('verifies offline and is anchored in the trusted key (L6)', async () => {
    expect(await judge(file)).toEqual({
      ok: true,
      rows: 12,
      firstSeq: 1,
      lastSeq: 12,
      head: rows.at(-1)?.hash,
      anchored: true,
      certificate: null,
      failure: null,
    })
  })

  it('holds without a trusted key, but is not anchored (L6)', async () => {
    expect(await judge(file, [])).toMatchObject({ ok: true, anchored: false })
  })

  it('fails when another key was trusted than the one that signed (L6)', async () => {
    const other = await generateSigner(signer.name)
    expect(await judge(file, [other])).toMatchObject({ ok: false, failure: { seq: 12, code: 'signature_missing' } })
  })

  it('verifies from a later row on, as after pruning, against the same kind of checkpoint (L5)', async () => {
    for (const firstSeq of [2, 5, 8, 12]) {
      const report = await judge(await exportOf(rows, signer, firstSeq))
      expect(report).toMatchObject({ ok: true, firstSeq, rows: 13 - firstSeq, anchored: true })
    }
  })

  it('fails when its tail is cut, or rewritten from some row on with all hashes recomputed (L2)', async () => {
    expect(await judge(file.toSpliced(-2, 1))).toMatchObject({ failure: { seq: 11, code: 'size_mismatch' } })
    const last = rows.at(-1)
    if (last === undefined) throw new Error('no rows')
    const rewritten = encodeExportLine({ kind: 'row', row: rehash({ ...last, keyVersion: 2 }) }).trim()
    expect(await judge(file.with(-2, rewritten))).toMatchObject({ failure: { seq: 12, code: 'chain_head_mismatch' } })
  })

  it('fails when what was before its first row is not what was signed (L2)', async () => {
    const partial = await exportOf(rows, signer, 5)
    const foreign = new MerkleFrontier()
    for (const { sealed } of rows.slice(0, 4)) foreign.append(sealed)
    const previousHash = rows[3]?.hash ?? genesisHash(tenantId)
    const header = encodeExportLine({ kind: 'header', tenantId, firstSeq: 5, previousHash, frontier: foreign.hashes })
    expect(await judge(partial.with(0, header.trim()))).toMatchObject({ failure: { seq: 12, code: 'root_mismatch' } })
  })

  it('fails when a checkpoint stands under another tenant’s name', async () => {
    const stranger = { ...signer, name: `${signer.name}/x` }
    const foreign = await exportOf(rows, stranger)
    const note = await signNote(
      formatCheckpoint({
        origin: originOf(signer.name, crypto.randomUUID()),
        size: 12,
        root: new Uint8Array(32),
        chainHead: rows[11]?.hash ?? new Uint8Array(32),
        at: 0,
      }),
      [signer],
    )
    const swapped = foreign.with(-1, encodeExportLine({ kind: 'checkpoint', note }).trim())
    expect(await judge(swapped)).toMatchObject({ failure: { code: 'origin_mismatch' } })
    expect(await judge(swapped, [])).toMatchObject({ failure: { code: 'origin_mismatch' } })
  })

  it('fails with any character of any line changed (L2)', async () => {
    const place = fc.tuple(fc.nat({ max: 13 }), fc.nat(), fc.constantFrom('A', '0', '"', 'x', ' '))
    await fc.assert(
      fc.asyncProperty(place, async ([line, offset, character]) => {
        const text = file[line] ?? ''
        const at = offset % text.length
        const changed = text.slice(0, at) + character + text.slice(at + 1)
        fc.pre(changed !== text)
        expect((await judge(file.with(line, changed))).ok).toBe(false)
      }),
      { numRuns: 300 },
    )
  })

  it.each([
    ['nothing', () => [], 'header_missing'],
    ['no header', () => file.slice(1), 'header_missing'],
    ['two headers', () => file.toSpliced(1, 0, file[0] ?? ''), 'line_out_of_order'],
    ['no checkpoint', () => file.slice(0, -1), 'checkpoint_missing'],
    ['rows after the checkpoint', () => [...file, file[1] ?? ''], 'line_out_of_order'],
    ['a blank line', () => file.toSpliced(3, 0, ''), 'line_malformed'],
  ])('with %s fails', async (_, lines, code) => {
    expect(await judge(lines())).toMatchObject({ ok: false, anchored: false, failure: { code } })
  })
})

describe('a line', () => {
  it('comes back as it went', () => {
    for (const line of file) {
      const parsed = parseExportLine(line)
      expect(parsed.ok && encodeExportLine(parsed.value)).toBe(`${line}\n`)
    }
  })

  it('is refused, never thrown at, whatever it holds', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.json()), (text) => {
        expect(parseExportLine(text)).toEqual({ ok: false, code: 'line_malformed' })
      }),
    )
  })
})
