import type { AuditRow } from '../../domain/audit/row.ts'
import { toBase64 } from '../../domain/bytes.ts'
import { MerkleFrontier } from '../../domain/merkle/frontier.ts'
import {
  closeReceipts,
  type EpochCertificate,
  epochOriginOf,
  formatEpochCertificate,
  hashCertificateText,
  parseEpochCertificate,
} from '../../domain/note/epoch-certificate.ts'
import { type NoteSigner, signerOfSeed } from '../../domain/note/keys.ts'
import { formatVkey, openNote, signNote } from '../../domain/note/signed-note.ts'
import { chainedRows } from './audit.ts'
import { fixedBytes, LOG_NAME, TENANT } from './fixed.ts'

const CERTIFIED_AT = Date.UTC(2028, 0, 1, 3, 45)

/** Of the rows' first month, and of their second, which follows on it. */
export function certificatesOf(rows: readonly AuditRow[], tenantId = TENANT): [EpochCertificate, EpochCertificate] {
  const first = certificateOf(rows, 1, rows.filter(({ epoch }) => epoch === rows[0]?.epoch).length, null, tenantId)
  const named = hashCertificateText(formatEpochCertificate(first))
  return [first, certificateOf(rows, first.lastSeq + 1, rows.length, named, tenantId)]
}

function certificateOf(
  rows: readonly AuditRow[],
  firstSeq: number,
  lastSeq: number,
  previous: Uint8Array | null,
  tenantId: string,
): EpochCertificate {
  const [tree, receipts] = [new MerkleFrontier(), [] as { size: number; root: Uint8Array }[]]
  for (const { seq, hash } of rows.slice(0, lastSeq)) {
    tree.append(hash)
    if (seq >= firstSeq) receipts.push({ size: seq, root: tree.root() })
  }
  const last = rows[lastSeq - 1]
  if (last === undefined) throw new Error('no such row')
  const { epoch, hash: lastHash, at: lastAt } = last
  const place = { origin: epochOriginOf(LOG_NAME, tenantId, epoch), epoch, firstSeq, lastSeq, lastHash, lastAt }
  const closed = closeReceipts(receipts)
  return { ...place, root: tree.root(), frontier: tree.hashes, receipts: closed, previous, at: CERTIFIED_AT }
}

export async function certificateVectors() {
  const signer = await signerOfSeed(LOG_NAME, fixedBytes('receipt key'))
  const stranger = await signerOfSeed(LOG_NAME, fixedBytes('another receipt key'))
  const [first, second] = certificatesOf(await chainedRows())
  const text = formatEpochCertificate(second)
  const note = await signNote(text, [signer])
  const notes = [
    ['of the first month', await signNote(formatEpochCertificate(first), [signer])],
    ['of the second month', note],
    ['with a line that came later', await signNote(`${text}later something\n`, [signer])],
    ['its count changed after signing', note.replace('\nrows 3\n', '\nrows 2\n')],
    ['signed by another key of the same name', await signNote(text, [stranger])],
    ['with a count that is not that of its rows', await signNote(text.replace('\nrows 3\n', '\nrows 2\n'), [signer])],
    ['with another month in its origin', await signNote(text.replace('/epoch/202612', '/epoch/202611'), [signer])],
    ['without a predecessor', await signNote(text.replace(/previous .*\n/, 'previous none\n'), [signer])],
    ['without its frontier', await signNote(text.replace(/frontier .*\n/, ''), [signer])],
    ['that is a receipt', await signNote(`${text.split('\n').slice(0, 5).join('\n')}\n`, [signer])],
  ] as const
  return {
    comment:
      'A certificate is the text of a signed note, and begins as a checkpoint does. Hashes are base64, as in the text.',
    vkey: formatVkey(signer),
    certificates: [first, second].map((certificate) => ({
      ...fieldsOf(certificate),
      text: formatEpochCertificate(certificate),
      text_hash: toBase64(hashCertificateText(formatEpochCertificate(certificate))),
    })),
    notes: await Promise.all(
      notes.map(async ([name, each]) => ({ name, note: each, code: await judge(each, signer) })),
    ),
  }
}

function fieldsOf(certificate: EpochCertificate) {
  const { origin, epoch, firstSeq, lastSeq, lastHash, lastAt, root, frontier, receipts, previous, at } = certificate
  return {
    origin,
    epoch,
    first_seq: firstSeq,
    last_seq: lastSeq,
    last_hash: toBase64(lastHash),
    last_at: lastAt,
    root: toBase64(root),
    frontier: frontier.map(toBase64),
    receipts: { count: receipts.count, digest: toBase64(receipts.digest) },
    previous: previous === null ? null : toBase64(previous),
    at,
  }
}

/** What opening and parsing the note gives: null when it holds. */
async function judge(note: string, signer: NoteSigner): Promise<string | null> {
  const opened = await openNote(note, [signer])
  if (!opened.ok) return opened.code
  const certificate = parseEpochCertificate(opened.value.text)
  return certificate.ok ? null : certificate.code
}
