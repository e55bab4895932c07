import type { ExportReport } from '../../../domain/audit/export-verifier.ts'
import { toBase64 } from '../../../domain/bytes.ts'
import { EXIT, type Exit } from '../../command.ts'

/** What `verify` and `export` say of a file. */
export function documentOf({ ok, rows, firstSeq, lastSeq, head, anchored, certificate, failure }: ExportReport) {
  return {
    ok,
    rows,
    first_seq: firstSeq,
    last_seq: lastSeq,
    head: head === null ? null : toBase64(head),
    anchored,
    certificate: certificate === null ? null : { epoch: certificate.epoch, last_seq: certificate.lastSeq },
    failure,
  }
}

export function textOf({ rows, firstSeq, lastSeq, anchored, certificate, failure }: ExportReport): string {
  if (failure !== null) return `BROKEN at row ${failure.seq}: ${failure.code}`
  const span = rows === 0 ? 'no rows' : `rows ${firstSeq} to ${lastSeq}`
  const vouched = anchored
    ? 'and the key that you trust has signed exactly these'
    : 'but no trusted key was given: --trust VKEY, from /.well-known/log-keys.txt as you saw it earlier'
  const pruned =
    certificate === null
      ? ''
      : `\nrows 1 to ${certificate.lastSeq} were pruned under the certificate of ${certificate.epoch}`
  return `${span} hold together, ${vouched}${pruned}`
}

export function exitOf({ ok, anchored }: ExportReport): Exit {
  if (!ok) return EXIT.failed
  return anchored ? EXIT.ok : EXIT.unanchored
}
