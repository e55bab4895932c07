import { encodeExportLine } from '../../domain/audit/export.ts'
import { ExportVerifier } from '../../domain/audit/export-verifier.ts'
import { type AuditRow, genesisHash } from '../../domain/audit/row.ts'
import { toBase64, toHex } from '../../domain/bytes.ts'
import { MerkleFrontier } from '../../domain/merkle/frontier.ts'
import { MerkleTree } from '../../domain/merkle/tree.ts'
import { formatCheckpoint, originOf, parseCheckpoint } from '../../domain/note/checkpoint.ts'
import { type EpochCertificate, formatEpochCertificate } from '../../domain/note/epoch-certificate.ts'
import { type NoteSigner, signerOfSeed } from '../../domain/note/keys.ts'
import { formatSignerKey, formatVkey, openNote, signNote } from '../../domain/note/signed-note.ts'
import { chainedRows } from './audit.ts'
import { certificatesOf } from './certificate.ts'
import { fixedBytes, LOG_NAME, OTHER_TENANT, TENANT } from './fixed.ts'

const LEAVES = 11

export function merkleVectors() {
  const tree = new MerkleTree()
  const leaves = Array.from({ length: LEAVES }, (_, i) => fixedBytes(`leaf ${i}`))
  for (const leaf of leaves) tree.append(leaf)
  const sizes = Array.from({ length: LEAVES + 1 }, (_, size) => size)
  return {
    comment: 'Bytes are hex. `leaves` are leaf data (row hashes); `roots[n]` is the root of the first n leaves.',
    leaves: leaves.map(toHex),
    roots: sizes.map((size) => toHex(tree.root(size))),
    frontiers: sizes.map((size) => frontierOf(leaves.slice(0, size)).hashes.map(toHex)),
    inclusion: sizes.flatMap((size) =>
      sizes.slice(0, size).map((index) => ({ index, size, proof: tree.inclusionProof(index, size).map(toHex) })),
    ),
    consistency: sizes.flatMap((to) =>
      sizes.slice(1, to + 1).map((from) => ({ from, to, proof: tree.consistencyProof(from, to).map(toHex) })),
    ),
  }
}

function frontierOf(leaves: readonly Uint8Array[]): MerkleFrontier {
  const frontier = new MerkleFrontier()
  for (const leaf of leaves) frontier.append(leaf)
  return frontier
}

const SIGNED_AT = Date.UTC(2026, 11, 1, 2, 15, 0, 7)

export async function checkpointVectors() {
  const [signer, witness, stranger] = await Promise.all([
    signerOfSeed(LOG_NAME, fixedBytes('receipt key')),
    signerOfSeed('witness.example', fixedBytes('witness key')),
    signerOfSeed(LOG_NAME, fixedBytes('another receipt key')),
  ])
  const rows = await chainedRows()
  const text = checkpointText(rows)
  const note = await signNote(text, [signer])
  const cosigned = await signNote(text, [witness, signer])
  const forged = note.replace('\n4\n', '\n5\n')
  const notes = [
    ['signed', note],
    ['cosigned by a witness', cosigned],
    ['size changed after signing', forged],
    ['signed by another key of the same name', await signNote(text, [stranger])],
    ['without a signature', text],
    ['with an origin that holds a space', await signNote(text.replace(LOG_NAME, 'a log'), [signer])],
    ['without its time', await signNote(`${text.split('\n').slice(0, 4).join('\n')}\n`, [signer])],
  ] as const
  return {
    comment: 'A checkpoint is the text of a signed note. Hashes are base64, as in the text.',
    signer_key: formatSignerKey(signer),
    vkey: formatVkey(signer),
    witness_vkey: formatVkey(witness),
    checkpoint: {
      origin: originOf(LOG_NAME, TENANT),
      size: rows.length,
      root: toBase64(rootOf(rows)),
      chain_head: toBase64(rows.at(-1)?.hash ?? genesisHash(TENANT)),
      at: SIGNED_AT,
    },
    text,
    notes: await Promise.all(
      notes.map(async ([name, each]) => ({ name, note: each, code: await judge(each, signer) })),
    ),
  }
}

/** What opening and parsing the note gives: null when it holds. */
async function judge(note: string, signer: NoteSigner): Promise<string | null> {
  const opened = await openNote(note, [signer])
  if (!opened.ok) return opened.code
  const checkpoint = parseCheckpoint(opened.value.text)
  return checkpoint.ok ? null : checkpoint.code
}

function rootOf(rows: readonly AuditRow[]): Uint8Array {
  return frontierOf(rows.map(({ hash }) => hash)).root()
}

function checkpointText(rows: readonly AuditRow[], tenantId = TENANT): string {
  return formatCheckpoint({
    origin: originOf(LOG_NAME, tenantId),
    size: rows.length,
    root: rootOf(rows),
    chainHead: rows.at(-1)?.hash ?? genesisHash(tenantId),
    at: SIGNED_AT,
  })
}

export async function exportVectors() {
  const signer = await signerOfSeed(LOG_NAME, fixedBytes('receipt key'))
  const stranger = await signerOfSeed(LOG_NAME, fixedBytes('another receipt key'))
  const rows = await chainedRows()
  const lines = await exportOf(rows, 1, signer)
  const foreign = await exportOf(rows, 1, signer, OTHER_TENANT)
  const trusted = formatVkey(signer)
  const partial = await exportOf(rows, 3, signer)
  const misled = (partial[0] ?? '').replace(/(?<="frontier":\[")./, (first) => (first === 'A' ? 'B' : 'A'))
  const edited = (lines[2] ?? '').replace(/(?<="action_tag":")./, (first) => (first === 'A' ? 'B' : 'A'))
  const file = async (name: string, given: readonly string[], by: NoteSigner | null) => ({
    name,
    lines: given,
    trusted: by === null ? null : formatVkey(by),
    report: await reportOf(given, by),
  })
  return {
    comment: 'Each line is one of an export file, without its newline. `head` is base64.',
    vkey: trusted,
    files: [
      await file('sound', lines, signer),
      await file('sound, no key trusted', lines, null),
      await file('sound, another key trusted', lines, stranger),
      await file('from the third row on', partial, signer),
      await file('from the third row on, behind another beginning', partial.with(0, misled), signer),
      await file('of a log without rows', await exportOf([], 1, signer), signer),
      await file('last row cut off', lines.toSpliced(-2, 1), signer),
      await file('a row deleted', lines.toSpliced(2, 1), signer),
      await file('two rows swapped', lines.with(2, lines[3] ?? '').with(3, lines[2] ?? ''), signer),
      await file('a tag edited', lines.with(2, edited), signer),
      await file('checkpoint of another tenant', lines.with(-1, foreign.at(-1) ?? ''), signer),
      await file('checkpoint missing', lines.slice(0, -1), signer),
      await file('header missing', lines.slice(1), signer),
      ...(await prunedFiles(rows, signer, stranger, file)),
    ],
  }
}

/** Of a log whose first month was pruned, or all of it, under certificates that fit and that do not. */
async function prunedFiles<File>(
  rows: readonly AuditRow[],
  signer: NoteSigner,
  stranger: NoteSigner,
  file: (name: string, given: readonly string[], by: NoteSigner | null) => Promise<File>,
): Promise<File[]> {
  const [first, second] = certificatesOf(rows)
  const [foreign] = certificatesOf(rows, OTHER_TENANT)
  const certified = async (certificate: EpochCertificate, by = signer, firstSeq = first.lastSeq + 1) =>
    exportOf(rows, firstSeq, signer, TENANT, await signNote(formatEpochCertificate(certificate), [by]))
  const receipt = await signNote(checkpointText(rows), [signer])
  return [
    await file('pruned under a certificate', await certified(first), signer),
    await file('pruned under a certificate, no key trusted', await certified(first), null),
    await file('of a log of which everything was pruned', await certified(second, signer, rows.length + 1), signer),
    await file('pruned under a certificate by another key', await certified(first, stranger), signer),
    await file('pruned under the certificate of another tenant', await certified(foreign), signer),
    await file('pruned under the certificate of another month', await certified(second), signer),
    await file('whole, under a certificate', await certified(first, signer, 1), signer),
    await file('pruned under a receipt', await exportOf(rows, first.lastSeq + 1, signer, TENANT, receipt), signer),
  ]
}

async function exportOf(
  rows: readonly AuditRow[],
  firstSeq: number,
  by: NoteSigner,
  named = TENANT,
  certificate?: string,
): Promise<string[]> {
  const header = encodeExportLine({
    kind: 'header',
    tenantId: TENANT,
    firstSeq,
    previousHash: rows[firstSeq - 2]?.hash ?? genesisHash(TENANT),
    frontier: frontierOf(rows.slice(0, firstSeq - 1).map(({ hash }) => hash)).hashes,
    ...(certificate === undefined ? {} : { certificate }),
  })
  const body = rows.slice(firstSeq - 1).map((row) => encodeExportLine({ kind: 'row', row }))
  const note = await signNote(checkpointText(rows, named), [by])
  return [header, ...body, encodeExportLine({ kind: 'checkpoint', note })].map((line) => line.slice(0, -1))
}

async function reportOf(lines: readonly string[], by: NoteSigner | null) {
  const verifier = new ExportVerifier(by === null ? [] : [by])
  for (const line of lines) if (!verifier.feed(line)) break
  const { ok, rows, firstSeq, lastSeq, head, anchored, certificate, failure } = await verifier.finish()
  const pruned = certificate === null ? null : { epoch: certificate.epoch, last_seq: certificate.lastSeq }
  const hash = head === null ? null : toBase64(head)
  return { ok, rows, first_seq: firstSeq, last_seq: lastSeq, head: hash, anchored, certificate: pruned, failure }
}
