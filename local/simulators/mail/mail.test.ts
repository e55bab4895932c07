import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { type MailSink, startMailSink } from './mail.ts'

const KEY = 're_0123456789'
const LETTER = { from: 'Us <us@here.test>', to: ['you@there.test'], subject: 'Grüße', text: 'line\n\n— end\n' }
const DAY = 86_400_000
let folder: string
let sink: MailSink
let now: number

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'flarewatch-mail-'))
  now = Date.UTC(2026, 10, 26)
  await start()
})
afterEach(async () => {
  await sink.stop()
  rmSync(folder, { recursive: true, force: true })
})

async function start(): Promise<void> {
  sink = await startMailSink({ folder, apiKey: KEY, log: () => {}, now: () => now, controllable: false })
}

type Sent = { readonly body?: unknown; readonly headers?: Record<string, string | null> }

async function post({ body = LETTER, headers = {} }: Sent = {}): Promise<[number, string]> {
  const all = { authorization: `Bearer ${KEY}`, 'content-type': 'application/json', ...headers }
  const given = Object.entries(all).filter((entry): entry is [string, string] => entry[1] !== null)
  const answer = await fetch(`${sink.apiUrl}/emails`, {
    method: 'POST',
    headers: Object.fromEntries(given),
    body: typeof body === 'string' ? body : JSON.stringify(body),
  })
  const json = z.object({ id: z.uuid().optional(), name: z.string().optional() }).parse(await answer.json())
  return [answer.status, json.id ?? json.name ?? '']
}

describe('the mail sink', () => {
  test('answers as Resend does, and files the text as it was sent', async () => {
    const [status, id] = await post()
    expect([status, id]).toEqual([200, expect.stringMatching(/^[0-9a-f-]{36}$/)])
    const [file = '', ...others] = readdirSync(folder)
    const message = readFileSync(join(folder, file), 'utf8')
    expect([others, message.split('\n\n').slice(1).join('\n\n')]).toEqual([[], LETTER.text])
    expect(message.split('\n')).toEqual(expect.arrayContaining(['To: you@there.test', 'Subject: Grüße']))
  })

  test('knows a key again for a day, over a restart too, and refuses another text under it', async () => {
    const headers = { 'idempotency-key': 'receipt/1' }
    const first = await post({ headers })
    await sink.stop()
    await start()
    now += 1000
    expect(await post({ headers })).toEqual(first)
    expect(await post({ headers, body: { ...LETTER, text: 'other' } })).toEqual([409, 'invalid_idempotent_request'])
    expect(readdirSync(folder)).toHaveLength(1)
    now += DAY
    expect((await post({ headers }))[1]).not.toBe(first[1])
  })

  test('takes five requests a second', async () => {
    for (let sent = 0; sent < 5; sent += 1) expect((await post())[0]).toBe(200)
    expect(await post()).toEqual([429, 'rate_limit_exceeded'])
    now += 1000
    expect((await post())[0]).toBe(200)
  })

  test.each<[string, number, string, Sent]>([
    ['no key', 401, 'missing_api_key', { headers: { authorization: null } }],
    ['another key', 403, 'invalid_api_key', { headers: { authorization: 'Bearer re_9' } }],
    ['no recipient', 422, 'validation_error', { body: { ...LETTER, to: [] } }],
    ['a recipient that is none', 422, 'validation_error', { body: { ...LETTER, to: ['you'] } }],
    ['a subject with a line break', 422, 'validation_error', { body: { ...LETTER, subject: 'a\nBcc: x@y.test' } }],
    ['a field that Resend does not know', 422, 'validation_error', { body: { ...LETTER, txt: 'x' } }],
    ['no JSON', 422, 'validation_error', { body: '{' }],
    ['a body beyond its bound', 413, 'validation_error', { body: { ...LETTER, text: 'x'.repeat(300_000) } }],
    ['a key beyond its bound', 400, 'invalid_idempotency_key', { headers: { 'idempotency-key': 'k'.repeat(257) } }],
  ])('refuses %s', async (_, status, name, sent) => {
    expect(await post(sent)).toEqual([status, name])
    expect(readdirSync(folder)).toEqual([])
  })

  test('gives nobody control where it was not asked to', async () => {
    expect((await fetch(`${sink.controlUrl}/mails`)).status).toBe(404)
  })
})
