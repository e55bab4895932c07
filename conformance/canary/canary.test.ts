import { spawn } from 'node:child_process'
import { randomBytes, randomUUID } from 'node:crypto'
import { readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeAll, describe, expect, inject, test } from 'vitest'
import { z } from 'zod'
import { act, foundAgency } from '../agency.ts'
import type { Body } from '../request-digest.ts'
import type { RunFile } from '../run-file.ts'
import { runningStack } from '../running.ts'
import { fireCron, issueToken, until } from '../stack.ts'
import { connect, copy } from './places/postgres.ts'

/**
 * T2 on the running stack. It fails when, say, `deposit.ts` stores `input.secret` in place of the sealed record, or
 * `logLine` in `edge-functions/_shared/errors.ts` writes an error's message.
 */
const Document = z.object({
  ok: z.boolean(),
  secrets: z.int(),
  findings: z.array(z.object({ place: z.string(), location: z.string(), secret: z.string(), encoding: z.string() })),
  places: z.array(z.object({ name: z.string(), bytes: z.int() })),
  planted: z.object({ tried: z.int(), found: z.int(), missed: z.array(z.unknown()) }),
})
const dataDir = inject('dataDir')
const leak = join(dataDir, 'logs', 'leak.log')

afterEach(() => rmSync(leak, { force: true }))

/** A signing secret that is in use, and a checkpoint to each owner, so that there is mail to be searched. */
beforeAll(async () => {
  const run = runningStack()
  await storeSigningSecret(run)
  await fireCron(run, 'verifier', '15 2 * * *')
  await until(async () => {
    await fireCron(run, 'notifier', '* * * * *')
    return readdirSync(join(dataDir, 'mail')).some((name) => name.endsWith('.eml'))
  }, 'a mail was sent')
})

describe('T2: the canary', () => {
  test('finds no secret in anything that was written or answered, and would find each that is planted', async () => {
    const { status, document } = await sweep()
    expect(document.findings).toEqual([])
    expect(document.planted).toMatchObject({ found: document.planted.tried, missed: [] })
    expect([status, document.ok]).toEqual([0, true])
    const places = document.places.filter(({ bytes }) => bytes > 0).map(({ name }) => name)
    expect(places).toEqual(expect.arrayContaining(EXPECTED_PLACES))
  })

  test('reads a table to its end wherever its last bytes fall', async () => {
    const sql = connect(runningStack().postgres_superuser_url)
    try {
      for (let rows = 100; rows < 4_000; rows += 130) {
        await sql`create temp table canary_sizes as select g, repeat('x', 30) from generate_series(1, ${rows}::int) g`
        let bytes = 0
        for await (const chunk of copy(sql, 'canary_sizes')) bytes += chunk.length
        expect(bytes).toBe(COPY_FRAME_BYTES + rows * COPY_ROW_BYTES)
        await sql`drop table canary_sizes`
      }
    } finally {
      await sql.end()
    }
  })

  test('finds a token that a log line holds in base64, and says where without saying what', async () => {
    const run = runningStack()
    const token = await issueToken(run)
    const api = run.simulators.cloudflare?.api_url
    await fetch(`${api}/user/tokens/verify`, { headers: { authorization: `Bearer ${token}` } })
    writeFileSync(leak, `{"body":"${Buffer.from(`x${token}`).toString('base64')}"}\n`)
    const { status, document, stdout } = await sweep()
    expect(document.findings).toEqual([
      {
        place: 'logs',
        location: 'logs/leak.log',
        secret: expect.stringContaining('cloudflare key'),
        encoding: 'base64-shifted-1',
      },
    ])
    expect([status, document.ok]).toEqual([1, false])
    expect(stdout).not.toContain(token)
  })
})

/** COPY's signature, flags and trailer; then a row of a field count, an integer and thirty letters, each with its length. */
const COPY_FRAME_BYTES = 21
const COPY_ROW_BYTES = 2 + (4 + 4) + (4 + 30)

const EXPECTED_PLACES = [
  'answers of the functions',
  'answers of the gateway',
  'dashboard assets',
  'logs',
  'outgoing mail',
  'outgoing mail, as sent',
  'postgres auth',
  'postgres files',
  'postgres flarewatch',
  'run.json',
  'workers do',
  'workers do, rows',
  'workers r2',
]

/** Stored, and given to the simulated provider to sign with, as its user does. */
async function storeSigningSecret(run: RunFile): Promise<void> {
  const { owner, tenantId: tenant_id } = await foundAgency(run)
  const [account, credential_id] = [randomUUID(), randomUUID()]
  const store = async (name: string, target_id: string, body: Body) => {
    const stored = await act(owner, name, { action: 'credential.store', target_id }, { ...body, tenant_id })
    expect(stored.status, stored.text).toBe(200)
  }
  const { key } = (await stripe(run, 'keys', { scope: 'read' })) as { key: string }
  const named = { provider: 'stripe', label: 'Signs' }
  await store('credential-store', account, { ...named, credential_id: account, secret: key })
  const [secret, endpoint_id] = [`whsec_${randomBytes(24).toString('hex')}`, randomBytes(16).toString('base64url')]
  await store('webhook-store', credential_id, { ...named, credential_id, webhook_of: account, endpoint_id, secret })
  await stripe(run, 'webhooks', { url: `${run.gateway_url}/webhooks/stripe/${endpoint_id}`, secret })
}

async function stripe(run: RunFile, what: string, body: unknown): Promise<unknown> {
  const url = `${run.simulators.stripe?.control_url}/${what}`
  const response = await fetch(url, { method: 'POST', body: JSON.stringify(body) })
  expect(response.status).toBe(200)
  return response.json()
}

async function sweep() {
  const child = spawn(process.execPath, ['conformance/canary/canary.ts', '--json', '--data', dataDir], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const chunks: Buffer[] = []
  child.stdout.on('data', (chunk: Buffer) => chunks.push(chunk))
  const status = await new Promise<number | null>((closed) => child.once('close', closed))
  const stdout = Buffer.concat(chunks).toString('utf8')
  return { status, stdout, document: Document.parse(JSON.parse(stdout)) }
}
