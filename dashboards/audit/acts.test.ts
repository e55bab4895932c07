import { expect, test } from 'vitest'
import { AuditRowId } from '../data/schemas.ts'
import { actsOf, type Row, UNKNOWN_AFTER_MS } from './acts.ts'
import { actorText, deedText, outcomeWords } from './words.ts'

const NOW = Date.UTC(2026, 10, 24, 10)
const ME = '11111111-2222-4333-8444-555555555555'
const KEY = '0b8f9c1e-1111-4222-8333-444455556666'
const idOf = (seq: number) => AuditRowId.parse(`00000000-0000-4000-8000-${String(seq).padStart(12, '0')}`)

function row(seq: number, action: string, changed: Partial<Row> = {}): Row {
  const at = new Date(NOW - 60_000 + seq).toISOString()
  const target = `credential:${KEY}`
  return { seq, row_id: idOf(seq), at, hash: '', actor: 'connector', action, target, detail: {}, ...changed }
}
const ending = (seq: number, intent: number, succeeded: boolean, code: string) =>
  row(seq, 'act.outcome', { detail: { intent: idOf(intent), succeeded: String(succeeded), code } })

test('an act and its ending are one line, told by the ending', () => {
  const rows = [ending(4, 2, false, 'provider_timeout'), ending(3, 1, true, 'ok')]
  const acts = actsOf([...rows, row(2, 'credential.open'), row(1, 'credential.open')], [], NOW)
  expect(acts.map(({ row: { seq }, outcome }) => [seq, outcome.kind])).toEqual([
    [2, 'failed'],
    [1, 'succeeded'],
  ])
  expect(acts.map(({ outcome }) => outcomeWords(outcome)?.more)).toEqual(['provider timeout', null])
})

test('an ending whose act is not loaded yet stays a line, and joins it once it is', () => {
  const first = [row(9, 'audit.read'), ending(8, 2, true, 'ok')]
  expect(actsOf(first, [], NOW).map(({ row: { seq } }) => seq)).toEqual([9, 8])
  expect(actsOf([...first, row(2, 'credential.open')], [], NOW).map(({ row: { seq } }) => seq)).toEqual([9, 2])
})

test('endings that were asked for beside a filtered list are joined and not listed', () => {
  const acts = actsOf([row(2, 'credential.open')], [ending(3, 2, true, 'ok'), ending(5, 4, true, 'ok')], NOW)
  expect(acts).toMatchObject([{ row: { seq: 2 }, outcome: { kind: 'succeeded', seq: 3 } }])
})

test('an act without an ending is under way, and unknown after ten minutes; a reading has none', () => {
  const kindAt = (age: number, action: string) => {
    const at = new Date(NOW - age).toISOString()
    return actsOf([row(1, action, { at })], [], NOW)[0]?.outcome.kind
  }
  expect(kindAt(UNKNOWN_AFTER_MS, 'credential.store')).toBe('open')
  expect(kindAt(UNKNOWN_AFTER_MS + 1, 'credential.store')).toBe('unknown')
  expect(kindAt(UNKNOWN_AFTER_MS + 1, 'audit.read')).toBe('none')
})

test('rows read as sentences', () => {
  const names = { me: ME, credentials: new Map([[KEY, 'abcd']]) }
  const sentence = (entry: Row) => `${actorText(entry.actor, names)} ${deedText(entry, names)}`
  expect(sentence(row(1, 'credential.open'))).toBe('Connector opened credential ····abcd')
  expect(sentence(row(1, 'credential.store', { actor: `user:${ME}` }))).toBe('You stored credential ····abcd')
  expect(sentence(row(1, 'audit.read', { actor: `user:${KEY}`, target: `tenant:${ME}` }))).toBe(
    'Member 0b8f9c1e read the audit log',
  )
  expect(sentence(row(1, 'credential.open', { target: `credential:${ME}` }))).toBe(
    'Connector opened credential 11111111',
  )
  expect(sentence(row(1, 'key.rotate', { target: 'vault' }))).toBe('Connector key.rotate on vault')
})
