import { randomUUID } from 'node:crypto'
import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { convertV4MiniflareOptions, Log, LogLevel, Miniflare } from 'miniflare'
import postgres from 'postgres'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { createAuthUsers } from '../../local/postgres/auth-users.ts'
import type { EmbeddedPostgres } from '../../local/postgres/postgres.ts'
import { startThrowawayPostgres } from '../../local/postgres/throwaway.ts'
import { type MailSink, startMailSink } from '../../local/simulators/mail/mail.ts'
import { freePorts } from '../../local/supervisor/ports.ts'
import { workerOptions } from '../../local/workers/worker-options.ts'
import { parseBindings } from '../runtime/bindings.ts'
import { Bindings } from './bindings.ts'

const MINUTE = 60_000
const START = Date.UTC(2026, 10, 26, 2, 15)
const API_KEY = `re_${'0aB'.repeat(8)}`
const OPERATOR = 'operator@deployment.test'

const dir = mkdtempSync(join(tmpdir(), 'flarewatch-notifier-'))
let database: EmbeddedPostgres
let sql: postgres.Sql
let sink: MailSink
let worker: Miniflare
let now = START
let logs: string[] = []

beforeAll(async () => {
  database = await startThrowawayPostgres()
  sql = postgres(database.superuserUrl, { max: 10, onnotice: () => {} })
  await createAuthUsers(sql)
  sink = await startMailSink({
    folder: join(dir, 'mail'),
    apiKey: API_KEY,
    log: () => {},
    now: () => now,
    controllable: true,
  })
  worker = await boot(API_KEY)
})
afterAll(async () => {
  await worker?.dispose()
  await sink?.stop()
  await sql?.end()
  await database?.stop()
  rmSync(dir, { recursive: true, force: true })
})

beforeEach(async () => {
  await sql`delete from flarewatch.mail_outbox`
  await sql`delete from flarewatch.members`
  await control('DELETE', 'faults', {})
  // Beyond every lease and rate limit of the test before.
  now += 60 * MINUTE
  logs = []
})

describe('the notifier', () => {
  it('L4: mails an incident to each owner and to the operator, each alone, in plain text', async () => {
    const tenantId = await tenantWith('Ash', ['ann@ash.test', 'bob@ash.test'])
    await raise(tenantId, 'row_edited', 41)
    await fire()
    const mails = await newMails()
    expect(mails.map(({ to }) => to).sort()).toEqual(['ann@ash.test', 'bob@ash.test', OPERATOR])
    for (const { to, message } of mails) {
      expect(message).toContain('Subject: [Flarewatch] A row of the audit log was changed: ')
      expect(message).toContain('Content-Type: text/plain; charset=utf-8')
      expect(message).toContain('First bad row: 41')
      expect(message.includes('Ash')).toBe(to !== OPERATOR)
      expect(message.match(/@ash\.test|@deployment\.test/g)).toHaveLength(1)
    }
    expect(await states(tenantId)).toEqual(['sent', 'sent'])
    await fire()
    expect(await newMails()).toEqual([])
  })

  it('writes each mail to a file that only its owner reads', async () => {
    await raise(await tenantWith('Ash', ['ann@ash.test']), 'fork', 1)
    await fire()
    const files = readdirSync(join(dir, 'mail'))
    expect(files.length).toBeGreaterThan(0)
    for (const file of files) expect(statSync(join(dir, 'mail', file)).mode & 0o777, file).toBe(0o600)
    expect(statSync(join(dir, 'mail')).mode & 0o777).toBe(0o700)
  })

  it('sends again what it was killed over, and the recipient still gets one mail', async () => {
    const tenantId = await tenantWith('Ash', ['ann@ash.test'])
    await raise(tenantId, 'tail_truncated', 90)
    await withoutOperator()
    await control('POST', 'faults', { kind: 'accepted_unanswered' })
    const interrupted = fire().catch(() => 'killed')
    await untilRequests(1)
    await worker.dispose()
    await interrupted
    expect(await states(tenantId)).toEqual(['waiting'])
    // What has happened since does not change a text that may be out already.
    await raise(tenantId, 'fork', 3)
    worker = await boot(API_KEY)
    await fire()
    now += 2 * MINUTE
    await fire()
    const owners = (await newMails()).filter(({ to }) => to === 'ann@ash.test')
    expect(owners).toHaveLength(1)
    expect(owners[0]?.message).toContain('First bad row: 90')
    expect(owners[0]?.message).not.toContain('fork')
    const tries = (await requests()).filter(({ key }) => key === owners[0]?.key)
    expect(tries.map(({ status }) => status)).toEqual([0, 200])
    expect(tries[0]?.body).toBe(tries[1]?.body)
  })

  it('counts as sent what went out before its words were changed', async () => {
    const tenantId = await tenantWith('Ash', ['ann@ash.test'])
    await raise(tenantId, 'fork', 1)
    await withoutOperator()
    await control('POST', 'faults', { kind: 'accepted_unanswered' })
    const interrupted = fire().catch(() => 'killed')
    await untilRequests(1)
    await worker.dispose()
    await interrupted
    await sql`update flarewatch.tenants set name = 'Ash Renamed' where id = ${tenantId}`
    worker = await boot(API_KEY)
    now += 2 * MINUTE
    await fire()
    expect(await states(tenantId)).toEqual(['sent'])
    expect((await newMails()).filter(({ to }) => to === 'ann@ash.test')).toHaveLength(1)
  })

  it('L4: tells of each incident once, however many are raised at once and while others are claimed', async () => {
    const tenants = await Promise.all(['Ash', 'Birch'].map((name) => tenantWith(name, [`owner@${name}.test`])))
    const raised = Array.from({ length: 40 }, (_, index) =>
      raise(tenants[index % 2] ?? '', `kind_${index % 3}`, index + 1),
    )
    const fired = Array.from({ length: 3 }, () => fire())
    await Promise.all([...raised, ...fired])
    const told = await sql`
      select coalesce(tenant_id::text, 'operator') as recipient, sum((entry.value ->> 'count')::int)::int as incidents
      from flarewatch.mail_outbox, jsonb_each(payload -> 'incidents') as entry group by 1`
    expect(Object.fromEntries(told.map(({ recipient, incidents }) => [recipient, incidents]))).toEqual({
      operator: 40,
      [tenants[0] ?? '']: 20,
      [tenants[1] ?? '']: 20,
    })
  })

  it('waits as long as a 429 says, sends nothing meanwhile, and then everything', async () => {
    const tenantId = await tenantWith('Ash', ['ann@ash.test', 'bob@ash.test'])
    await raise(tenantId, 'fork', 1)
    await control('POST', 'faults', { kind: 'rate_limited', retry_after: 180 })
    await fire()
    now += 2 * MINUTE
    await fire()
    expect((await requests()).map(({ status }) => status)).toEqual([429])
    now += MINUTE
    await fire()
    expect(await newMails()).toHaveLength(3)
    expect(await states(tenantId)).toEqual(['sent', 'sent'])
  })

  it.each(['server_error', 'key_refused'])('tries again after %s, later each time, and loses nothing', async (kind) => {
    const tenantId = await tenantWith('Ash', ['ann@ash.test'])
    await raise(tenantId, 'fork', 1)
    await withoutOperator()
    await control('POST', 'faults', { kind, times: 2 })
    const seen: number[] = []
    for (const wait of [0, MINUTE, MINUTE, MINUTE]) {
      now += wait
      await fire()
      seen.push((await requests()).length)
    }
    expect(seen).toEqual([1, 2, 2, 3])
    expect([await states(tenantId), (await newMails()).length]).toEqual([['sent'], 1])
  })

  it('makes a dead letter of what Resend refuses, with the reason, and sends the others', async () => {
    const tenantId = await tenantWith('Ash', ['ann@ash.test', 'bob@ash.test'])
    await raise(tenantId, 'fork', 1)
    await control('POST', 'faults', { kind: 'refused' })
    await fire()
    now += 60 * MINUTE
    await fire()
    expect((await newMails()).length).toBe(2)
    const dead = await sql`select reason from flarewatch.mail_outbox where given_up_at is not null`
    expect(dead.map(({ reason }) => reason)).toEqual(['mail_refused_422'])
    expect(logs.join()).toContain('mail.given_up')
  })

  it('gives up on who is no owner any more, without asking Resend', async () => {
    const tenantId = await tenantWith('Ash', ['ann@ash.test'])
    await raise(tenantId, 'fork', 1)
    await sql`update flarewatch.members set role = 'viewer' where tenant_id = ${tenantId}`
    await fire()
    expect(await states(tenantId)).toEqual(['recipient_gone'])
    expect((await newMails()).map(({ to }) => to)).toEqual([OPERATOR])
  })

  it('V5: logs ids and codes, and no address, subject or key', async () => {
    await raise(await tenantWith('Ash', ['ann@ash.test']), 'fork', 1)
    await control('POST', 'faults', { kind: 'refused' })
    await fire()
    expect(logs.length).toBeGreaterThan(0)
    expect(logs.join()).not.toMatch(/ash\.test|deployment\.test|re_0aB|Ash|histories/)
  })

  it.each([
    ['RESEND_API_KEY', ''],
    ['RESEND_API_KEY', 'sk_live_0000000000'],
    ['MAIL_FROM', 'Flarewatch <a@b.example>\r\nBcc: c@d.example'],
    ['OPERATOR_EMAIL', 'nobody'],
    ['INVITATION_KEY', 'short'],
    ['GATEWAY_URL', 'javascript:alert(1)'],
  ])('refuses to start with %s as %j, and names it alone', (name, value) => {
    const env = { DB: {}, ...bindings(API_KEY), [name]: value }
    expect(() => parseBindings('notifier', Bindings, env)).toThrow(`missing or malformed bindings: ${name}`)
    expect(parseBindings('notifier', Bindings, { ...env, ...bindings(API_KEY) }).GATEWAY_URL).toBe(
      'https://flarewatch.example',
    )
  })
})

function bindings(apiKey: string) {
  return {
    RESEND_API_URL: sink?.apiUrl ?? 'https://api.resend.com',
    RESEND_API_KEY: apiKey,
    MAIL_FROM: 'Flarewatch <notices@deployment.example>',
    OPERATOR_EMAIL: OPERATOR,
    INVITATION_KEY: 'k'.repeat(43),
    GATEWAY_URL: 'https://flarewatch.example/',
  }
}

async function boot(apiKey: string): Promise<Miniflare> {
  const { notifier: port } = await freePorts('notifier')
  const options = await workerOptions('notifier', {
    databaseUrl: database.pooledUrlFor('flarewatch_notifier'),
    port,
    clock: () => now,
    bindings: bindings(apiKey),
  })
  const booted = new Miniflare(
    convertV4MiniflareOptions({
      workers: [options],
      host: '127.0.0.1',
      port: 0,
      cf: false,
      telemetry: { enabled: false },
      unsafeTriggerHandlers: true,
      log: new Log(LogLevel.NONE),
      handleStructuredLogs: ({ message }) => logs.push(message),
    }),
  )
  await booted.ready
  return booted
}

async function fire(on: Miniflare = worker): Promise<string> {
  const notifier = await on.getWorker('flarewatch-notifier')
  const { outcome } = await notifier.scheduled({ cron: '* * * * *', scheduledTime: new Date(now) })
  return outcome
}

async function tenantWith(name: string, owners: readonly string[]): Promise<string> {
  const id = randomUUID()
  await sql`insert into flarewatch.tenants (id, name, state, activated_at) values (${id}, ${name}, 'active', now())`
  for (const email of owners) {
    const userId = randomUUID()
    await sql`insert into auth.users values (${userId}, ${email}, now())`
    await sql`insert into flarewatch.members (tenant_id, user_id, role) values (${id}, ${userId}, 'owner')`
  }
  return id
}

async function raise(tenantId: string, kind: string, seq: number): Promise<void> {
  await sql`insert into flarewatch.incidents (id, tenant_id, kind, seq, part, at)
    values (${randomUUID()}, ${tenantId}, ${kind}, ${seq}, 'verifier', ${new Date(now)})`
}

/** So that a fault strikes the owner's mail and no other. */
async function withoutOperator(): Promise<void> {
  await sql`delete from flarewatch.mail_outbox where user_id is null`
}

/** How the mails of a tenant's owners stand. */
async function states(tenantId: string): Promise<string[]> {
  const rows =
    await sql`select case when sent_at is not null then 'sent' when given_up_at is not null then reason else 'waiting' end as state
    from flarewatch.mail_outbox where tenant_id = ${tenantId} and attempt > 0 order by 1`
  return rows.map(({ state }) => state)
}

const Mails = z.object({ mails: z.array(z.object({ key: z.string(), at: z.number(), message: z.string() })) })
const Requests = z.object({
  requests: z.array(z.object({ at: z.number(), key: z.string().nullable(), status: z.int(), body: z.string() })),
})
let testBegan = 0
beforeEach(() => {
  testBegan = now
})

async function newMails() {
  const { mails } = Mails.parse(await control('GET', 'mails'))
  const fresh = mails.filter(({ at, key }) => at >= testBegan && !looked.has(key))
  for (const { key } of fresh) looked.add(key)
  return fresh.map((mail) => ({ ...mail, to: /^To: (.+)$/m.exec(mail.message)?.[1] ?? '' }))
}
const looked = new Set<string>()

async function requests() {
  return Requests.parse(await control('GET', 'requests')).requests.filter(({ at }) => at >= testBegan)
}

async function untilRequests(count: number): Promise<void> {
  while ((await requests()).length < count) await new Promise((passed) => setTimeout(passed, 20))
}

async function control(method: string, act: string, body?: unknown): Promise<unknown> {
  const init = body === undefined ? { method } : { method, body: JSON.stringify(body) }
  const answer = await fetch(`${sink.controlUrl}/${act}`, init)
  expect(answer.status).toBe(200)
  return answer.json()
}
