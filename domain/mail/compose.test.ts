import { describe, expect, test } from 'vitest'
import { type IncidentEntry, MailTenant, Occasion } from '../contracts/mail.ts'
import { formatCheckpoint, originOf, parseCheckpoint } from '../note/checkpoint.ts'
import { generateSigner, openNote, signNote } from '../note/signed-note.ts'
import { composeMail } from './compose.ts'
import { noteIn } from './receipt-mail.ts'

const TENANT = MailTenant.parse({ id: '7e4b7a0e-9b0c-4a53-8f5e-0d0e0c6f2a11', name: 'Ash & Sons' })
const LINKS = {
  gatewayUrl: 'https://flarewatch.example',
  joinUrl: (id: string) => `https://flarewatch.example/join/#fwinv_of-${id}`,
}

function entry(over: Partial<IncidentEntry>): IncidentEntry {
  const at = '2026-11-26T02:15:00.000Z'
  return { tenant_id: TENANT.id, kind: 'row_edited', part: 'verifier', seq: 41, at, count: 1, ...over }
}

function incident(entries: readonly IncidentEntry[], more = 0, tenant: MailTenant | null = TENANT) {
  const incidents = Object.fromEntries(entries.map((one, index) => [String(index), one]))
  const mail = composeMail(Occasion.parse({ kind: 'incident', payload: { incidents, more } }), tenant, LINKS)
  if (mail === null) throw new Error('no mail')
  return mail
}

describe('L4: the mail of an incident', () => {
  test('says kind, first bad row, who found it and when, what it means and what to do', () => {
    const { subject, text } = incident([entry({})])
    expect(subject).toBe('[Flarewatch] A row of the audit log was changed: Ash & Sons')
    for (const line of [
      '1. A row of the audit log was changed.',
      '   Kind: row_edited',
      '   First bad row: 41',
      '   Found by: the verifier, which re-checks every log',
      '   At: 2026-11-26 02:15:00 UTC',
      'All incidents: https://flarewatch.example/incidents/',
    ]) {
      expect(text.split('\n')).toContain(line)
    }
    expect(text).toMatch(/What it means: .*\n/)
    expect(text).toMatch(/What to do: Change nothing\./)
    expect(Math.max(...text.split('\n').map(({ length }) => length))).toBeLessThanOrEqual(80)
  })

  test('has what is grave before what only failed, and counts all', () => {
    const { subject, text } = incident([entry({ kind: 'job_dead', seq: null, count: 7 }), entry({ kind: 'fork' })], 2)
    expect(subject).toBe('[Flarewatch] 10 incidents: Ash & Sons')
    expect(text.indexOf('two histories')).toBeLessThan(text.indexOf('A poll was given up (7 times).'))
    expect(text).toContain('And 2 more, of other kinds.')
    expect(text.match(/First bad row/g)).toHaveLength(1)
  })

  test('to the operator names each agency by its id, and none by its name', () => {
    const { subject, text } = incident([entry({}), entry({ tenant_id: null, kind: 'queue_message_refused' })], 0, null)
    expect(subject).toBe('[Flarewatch] 2 incidents: this deployment')
    expect(text).toContain(`Agency: ${TENANT.id}`)
    expect(text).toContain('Agency: none')
    expect(text).not.toContain(TENANT.name)
  })

  test('of a kind that nobody described is told all the same', () => {
    expect(incident([entry({ kind: 'never_heard_of' })]).text).toContain('Incident “never heard of”')
  })

  test('keeps a name that would begin a line or a header of its own on its line', () => {
    const name = 'Ash\r\nBcc: all@example.test\n\nPay here: \u202Etest'
    const { subject, text } = incident([entry({})], 0, { ...TENANT, name })
    expect(subject).toBe('[Flarewatch] A row of the audit log was changed: Ash Bcc: all@example.test Pay here: test')
    expect(text.split('\n').filter((line) => line.startsWith('Bcc'))).toEqual([])
  })
})

describe('L2: the mail of a checkpoint', async () => {
  const signer = await generateSigner('flarewatch.test/log')
  const checkpoint = { size: 1234, root: new Uint8Array(32).fill(7), chainHead: new Uint8Array(32).fill(9), at: 0 }
  const text = formatCheckpoint({ origin: originOf(signer.name, TENANT.id), ...checkpoint })
  const note = await signNote(text, [signer])
  const receipt = Occasion.parse({ kind: 'receipt', payload: { size: 1234, note } })

  test('holds the signed note byte for byte, and it opens with the key of the log', async () => {
    const mail = composeMail(receipt, TENANT, LINKS)
    expect(mail?.subject).toBe('[Flarewatch] Checkpoint over 1234 audit rows: Ash & Sons')
    for (const read of [mail?.text ?? '', (mail?.text ?? '').replaceAll('\n', '\r\n'), note]) {
      expect(noteIn(read)).toBe(note)
      const opened = await openNote(noteIn(read), [signer])
      expect(opened.ok && parseCheckpoint(opened.value.text)).toMatchObject({ ok: true, value: checkpoint })
    }
    expect(mail?.text).toContain(`https://flarewatch.example/receipts/${TENANT.id}/1234`)
  })

  test('is none without the tenant whose log it is', () => {
    expect(composeMail(receipt, null, LINKS)).toBeNull()
  })
})

test('V7: the mail of an operator key says whose it is, its fingerprint, from when it counts and where it is stopped', () => {
  const key_id = '0f1e2d3c-4b5a-8978-8695-a4b3c2d1e0ff'
  const member_id = '7f3b1c1e-7c64-4f1c-8a53-0e1b3c2d4a5f'
  const payload = { key_id, member_id, active_at: '2026-11-28T12:00:00.000Z' }
  const mail = composeMail(Occasion.parse({ kind: 'operator_key', payload }), TENANT, LINKS)
  expect(mail?.subject).toBe('[Flarewatch] A new operator key: Ash & Sons')
  for (const line of [
    '   Fingerprint: 0f1e 2d3c 4b5a 8978 8695 a4b3 c2d1 e0ff',
    `   Member: ${member_id}`,
    '   Active from: 2026-11-28 12:00:00 UTC',
    '    https://flarewatch.example/operator-keys/',
  ]) {
    expect(mail?.text.split('\n')).toContain(line)
  }
})

describe('A1: the mail of a reset', () => {
  const member_id = '7f3b1c1e-7c64-4f1c-8a53-0e1b3c2d4a5f'
  const mailTo = (to: string) =>
    composeMail(
      Occasion.parse({ kind: 'member_reset', payload: { member_id, to, due_at: '2026-11-28T12:00:00.000Z' } }),
      TENANT,
      LINKS,
    )

  test.each([
    ['member', 'Your second factor is to be reset', '    https://flarewatch.example/'],
    ['owner', 'The second factor of a member is to be reset', '    https://flarewatch.example/members/'],
    ['other_owner', 'The second factor of a member is to be reset', '    https://flarewatch.example/members/'],
  ])('to %s says whose, from when, and where it is stopped', (to, subject, link) => {
    const mail = mailTo(to)
    expect(mail?.subject).toBe(`[Flarewatch] ${subject}: Ash & Sons`)
    for (const line of [`   Member: ${member_id}`, '   Not before: 2026-11-28 12:00:00 UTC', link]) {
      expect(mail?.text.split('\n')).toContain(line)
    }
  })

  test('tells an owner of another agency that it was not theirs that asked', () => {
    expect(mailTo('other_owner')?.text.replaceAll('\n', ' ')).toContain('An owner of another agency')
    expect(mailTo('owner')?.text.replaceAll('\n', ' ')).toContain('An owner of Ash & Sons')
  })
})

test.each([
  ['an unknown kind', { kind: 'greeting', payload: {} }],
  ['no entry', { kind: 'incident', payload: { incidents: {}, more: 0 } }],
  ['a kind that is no word', { kind: 'incident', payload: { incidents: { a: entry({ kind: 'a b' }) }, more: 0 } }],
  ['more entries than are gathered', { kind: 'incident', payload: { incidents: many(21), more: 0 } }],
  ['a note beyond its bound', { kind: 'receipt', payload: { size: 1, note: 'x'.repeat(4097) } }],
])('a row with %s is no mail', (_, row) => {
  expect(Occasion.safeParse(row).success).toBe(false)
})

function many(count: number) {
  return Object.fromEntries(Array.from({ length: count }, (_, index) => [String(index), entry({})]))
}

test('the mail of an invitation says who invites, as what, and until when, and has the link on a line of its own', () => {
  const id = '4f9d6c3e-1d55-4b8e-9a2b-3c6a7e8f9a01'
  const payload = { id, role: 'operator', expires_at: '2026-12-03T02:15:00.000Z' }
  const occasion = Occasion.parse({ kind: 'invitation', payload })
  expect(composeMail(occasion, null, LINKS)).toBeNull()
  const mail = composeMail(occasion, MailTenant.parse({ ...TENANT, name: 'Ash\r\nBcc: x@y.example' }), LINKS)
  expect(mail?.subject).toBe('[Flarewatch] You are invited to Ash Bcc: x@y.example')
  expect(mail?.text.split('\n')).toContain(`    https://flarewatch.example/join/#fwinv_of-${id}`)
  expect(mail?.text.replaceAll('\n', ' ')).toMatch(/as an operator\..* until 2026-12-03 02:15 UTC/)
})
