import type { InclusionFault } from './inclusion.ts'
import type { Breach } from './log-check.ts'

const REPORT =
  'Do not rely on this log until it is explained: ask the operator, and keep this browser’s data as evidence.'

const TEXT: Readonly<Record<Breach, string>> = {
  forked: `The log was rewritten. Its newest receipt does not extend the one that this browser saw before. ${REPORT}`,
  vanished: `A receipt that this browser saw before is no longer given out: the log was cut back or replaced. ${REPORT}`,
  key_changed:
    'The newest receipt is signed by a key that this browser does not know. Ask the operator, by another way than this page, whether the key was replaced. If they confirm it, clear this site’s data in your browser; if not, do not rely on this log.',
  signature_invalid: `The newest receipt has a signature that is not right. ${REPORT}`,
  signature_missing: `The newest receipt is not signed by a key that this deployment publishes. ${REPORT}`,
  receipt_malformed: `The newest receipt cannot be read. ${REPORT}`,
  other_log: `The newest receipt is one of another log. ${REPORT}`,
  keys_malformed: `The keys that this deployment publishes cannot be read, so no receipt can be checked. ${REPORT}`,
}

export function breachText(breach: Breach): string {
  return TEXT[breach]
}

const ROW_TEXT: Readonly<Record<InclusionFault, string>> = {
  other_row: 'The proof is for a row with another hash than the one shown here.',
  size_mismatch: 'The proof is for a log of another length than the receipt signs.',
  proof_malformed: 'The proof cannot be read.',
  root_mismatch: 'From this row’s hash, the proof does not lead to what the receipt signs.',
}

export function inclusionFaultText(fault: InclusionFault): string {
  return ROW_TEXT[fault]
}
