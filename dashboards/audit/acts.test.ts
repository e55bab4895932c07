import { expect, test } from 'vitest'
import { AuditRowId } from '../data/schemas.ts'
import { actOf, actsOf, type Row } from './acts.ts'
import { actorText, deedText, outcomeWords } from './words.ts'

const ME = '11111111-2222-4333-8444-555555555555'
const KEY = '0b8f9c1e-1111-4222-8333-444455556666'
const AT = '2026-11-24T10:00:00.000Z'
const idOf = (seq: number) => AuditRowId.parse(`00000000-0000-4000-8000-${String(seq).padStart(12, '0')}`)

function row(seq: number, action: string, changed: Partial<Row> = {}): Row {
  const same = { row_id: idOf(seq), at: AT, hash: '', actor: 'connector', target: `credential:${KEY}` }
  return { seq, ...same, action, detail: {}, outcome: null, ...changed }
}
const ending = (seq: number, intent: number, code: string) =>
  row(seq, 'act.outcome', { detail: { intent: idOf(intent), succeeded: String(code === 'ok'), code } })
const opened = (seq: number, endedIn: number, code: string) =>
  row(seq, 'credential.open', {
    outcome: { state: code === 'ok' ? 'succeeded' : 'failed', seq: endedIn, at: AT, code },
  })

test('L1 an act and its ending are one line, told by the ending, whether that is loaded or not', () => {
  const rows = [
    ending(4, 2, 'provider_timeout'),
    ending(3, 1, 'ok'),
    opened(2, 4, 'provider_timeout'),
    opened(1, 3, 'ok'),
  ]
  for (const loaded of [rows, rows.slice(2)]) {
    const acts = actsOf(loaded)
    expect(acts.map(({ row: { seq }, outcome }) => [seq, outcome.kind])).toEqual([
      [2, 'failed'],
      [1, 'succeeded'],
    ])
    expect(acts.map(({ outcome }) => outcomeWords(outcome)?.more)).toEqual(['provider timeout', null])
  }
})

test('an ending whose act is not loaded yet stays a line, and joins it once it is', () => {
  const first = [row(9, 'audit.read'), ending(8, 2, 'ok')]
  expect(actsOf(first).map(({ row: { seq }, outcome }) => [seq, outcome.kind])).toEqual([
    [9, 'none'],
    [8, 'succeeded'],
  ])
  expect(actsOf([...first, opened(2, 8, 'ok')]).map(({ row: { seq } }) => seq)).toEqual([9, 2])
})

test('L1 an act of which nothing was heard says so: under way, then unknown', () => {
  const badge = (state: 'open' | 'unknown') =>
    outcomeWords(actOf(row(1, 'credential.open', { outcome: { state } })).outcome)?.badge
  expect([badge('open'), badge('unknown')]).toEqual(['under way', 'unknown'])
})

test('rows read as sentences', () => {
  const names = { me: ME, credentials: new Map([[KEY, 'abcd']]) }
  const sentence = (entry: Row) => `${actorText(entry.actor, names)} ${deedText(entry, names)}`
  expect(sentence(row(1, 'credential.open'))).toBe('Connector opened credential ····abcd')
  const judged = { actor: 'gateway', target: 'webhook_endpoint:q83vASNFZ4mrze8BI0VniQ' }
  expect(sentence(row(1, 'webhook.judge', judged))).toBe('A webhook came in at address ····VniQ')
  expect(sentence(row(1, 'credential.store', { actor: `user:${ME}` }))).toBe('You stored credential ····abcd')
  expect(sentence(row(1, 'audit.read', { actor: `user:${KEY}`, target: `tenant:${ME}` }))).toBe(
    'Member 0b8f9c1e read the audit log',
  )
  expect(sentence(row(1, 'credential.open', { target: `credential:${ME}` }))).toBe(
    'Connector opened credential 11111111',
  )
  expect(sentence(row(1, 'key.rotate', { target: 'vault' }))).toBe('Connector key.rotate on vault')
})
