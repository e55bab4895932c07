import { describe, expect, test } from 'vitest'
import { hasIncidentWords, incidentWords } from '../../domain/incidents/words.ts'
import type { FindingKind } from '../verifier/finding.ts'

/** Each kind that the verifier can find: one without an entry here does not compile. */
const FOUND: Readonly<Record<FindingKind, true>> = {
  row_edited: true,
  row_deleted: true,
  row_inserted: true,
  row_reordered: true,
  tail_truncated: true,
  fork: true,
  ledger_behind: true,
  head_mismatch: true,
  receipt_inconsistent: true,
  receipt_missing: true,
  verification_forged: true,
  night_missed: true,
  receipts_stalled: true,
  pruned_without_certificate: true,
  certificate_inconsistent: true,
  epoch_held: true,
  guards_off: true,
  guards_changed: true,
  tenant_missing: true,
  tenant_unrostered: true,
  birth_unfinished: true,
}

describe('L4: an incident is told in words', () => {
  test.each(Object.keys(FOUND))('%s, found by the verifier', (kind) => {
    expect(hasIncidentWords(kind)).toBe(true)
  })

  test('and an unknown one by its own name, as grave', () => {
    expect(incidentWords('constructor')).toMatchObject({ title: 'Incident “constructor”', grave: true })
  })
})
