import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { exportJWK, generateKeyPair } from 'jose'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type FunctionsHost, startFunctions } from './host.ts'
import { closeServer, listenOnLoopback } from './loopback.ts'

/** Tries whatever it is asked to and says what came of it; otherwise as a hosted function is written. */
const TRYING = `
const tries = {
  own: () => Deno.env.get('OWN'),
  foreign: () => Deno.env.get('FOREIGN'),
  everything: () => Deno.env.toObject(),
  read: () => Deno.readTextFile('/etc/passwd'),
  readNeighbour: () => Deno.readTextFile(new URL('../functions.json', import.meta.url)),
  write: () => Deno.writeTextFile('/tmp/flarewatch-never', ''),
  run: () => new Deno.Command('/bin/true').output(),
  sys: () => Deno.hostname(),
  ffi: () => Deno.dlopen('/lib/x86_64-linux-gnu/libc.so.6', {}),
  remoteImport: () => import('https://deno.land/x/anything.ts'),
  listed: async () => (await fetch(Deno.env.get('LISTED'))).text(),
  unlisted: async () => (await fetch(Deno.env.get('UNLISTED'))).text(),
  localhost: async () => (await fetch(Deno.env.get('LISTED').replace('127.0.0.1', 'localhost'))).text(),
  now: () => [Date.now(), new Date().getTime(), new Date(7).getTime()],
  crash: () => Deno.exit(1),
}
Deno.serve(async (request) => {
  const url = new URL(request.url)
  const name = url.searchParams.get('try')
  if (name === null) return new Response([request.method, url.pathname, url.search, await request.text()].join(' '))
  try {
    return Response.json({ value: await tries[name]() })
  } catch (error) {
    return Response.json({ refused: error.name })
  }
})
`
const NOTHING_ELSE = { read: false, write: false, run: false, ffi: false, sys: false, import: false }

let dir: string
let host: FunctionsHost
let neighbour: Server
const clock = { offset: 0 }
const lines: string[] = []

async function attempt(name: string, what: string): Promise<unknown> {
  return (await fetch(`${host.url}/${name}?try=${what}`)).json()
}

beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'flarewatch-functions-'))
  const folder = join(dir, 'functions')
  for (const name of ['trying', 'bare']) {
    mkdirSync(join(folder, name), { recursive: true })
    writeFileSync(join(folder, name, 'index.ts'), TRYING)
  }
  writeFileSync(join(folder, 'deno.json'), '{"lock": false}')
  writeFileSync(
    join(folder, 'functions.json'),
    JSON.stringify({
      functions: [
        { name: 'trying', env: ['OWN', 'LISTED', 'UNLISTED', 'ABSENT'], net: ['LISTED'], permissions: NOTHING_ELSE },
        { name: 'bare', env: [], net: [], permissions: NOTHING_ELSE },
      ],
    }),
  )
  neighbour = createServer((_, response) => response.end('neighbour'))
  const address = await listenOnLoopback(neighbour, 0)
  const other = createServer()
  const unlisted = await listenOnLoopback(other, 0)
  await closeServer(other)
  host = await startFunctions({
    dir,
    folder,
    env: { OWN: 'own', FOREIGN: 'foreign', LISTED: address, UNLISTED: unlisted },
    now: () => Date.now() + clock.offset,
    log: (line) => lines.push(line),
  })
})
afterAll(async () => {
  await host.stop()
  await closeServer(neighbour)
  rmSync(dir, { recursive: true, force: true })
})

describe('a function as a hosted project runs it', () => {
  test('gets method, path, query and body as they were sent', async () => {
    const response = await fetch(`${host.url}/trying/deeper?a=1`, { method: 'POST', body: 'body' })
    expect(await response.text()).toBe('POST /trying/deeper ?a=1 body')
  })

  test('is one of the enumerated set (D2), and health says which listen', async () => {
    expect((await fetch(`${host.url}/absent`)).status).toBe(404)
    expect((await fetch(`${host.url}/..%2ftrying`)).status).toBe(404)
    const health = await fetch(`${host.url}/_health`)
    expect(await health.json()).toEqual({ functions: { trying: true, bare: true } })
  })

  test('D2: reads its own variables and no others', async () => {
    expect(await attempt('trying', 'own')).toEqual({ value: 'own' })
    expect(await attempt('trying', 'foreign')).toEqual({ refused: 'NotCapable' })
    expect(await attempt('trying', 'everything')).toEqual({ refused: 'NotCapable' })
    expect(await attempt('bare', 'own')).toEqual({ refused: 'NotCapable' })
  })

  test('reaches the addresses that its line names and no others', async () => {
    expect(await attempt('trying', 'listed')).toEqual({ value: 'neighbour' })
    expect(await attempt('trying', 'unlisted')).toEqual({ refused: 'NotCapable' })
    expect(await attempt('trying', 'localhost')).toEqual({ refused: 'NotCapable' })
  })

  test.each(['read', 'readNeighbour', 'write', 'run', 'sys', 'ffi'])('may not %s', async (what) => {
    expect(await attempt('trying', what)).toEqual({ refused: 'NotCapable' })
  })

  test('loads no code from the network', async () => {
    expect(await attempt('trying', 'remoteImport')).toEqual({ refused: 'TypeError' })
  })

  test('reads the stack’s clock, which a caller cannot set', async () => {
    clock.offset = 3_600_000
    const { value } = (await attempt('trying', 'now')) as { value: [number, number, number] }
    clock.offset = 0
    const ahead = Date.now() + 3_600_000
    expect(Math.abs(value[0] - ahead)).toBeLessThan(10_000)
    expect(Math.abs(value[1] - ahead)).toBeLessThan(10_000)
    expect(value[2]).toBe(7)
    const forged = await fetch(`${host.url}/trying?try=now`, { headers: { 'flarewatch-embedded-clock': '86400000' } })
    const back = (await forged.json()) as { value: [number] }
    expect(Math.abs(back.value[0] - Date.now())).toBeLessThan(10_000)
  })

  test('that crashes is started again, and its neighbours do not notice', async () => {
    const before = host.pids()
    expect((await fetch(`${host.url}/trying?try=crash`)).status).toBe(503)
    expect(await (await fetch(`${host.url}/bare`)).text()).toBe('GET /bare  ')
    let status = 503
    for (let tries = 0; status !== 200 && tries < 200; tries++) {
      await sleep(50)
      status = (await fetch(`${host.url}/trying?try=own`)).status
    }
    expect(status).toBe(200)
    expect(host.pids().trying).not.toBe(before.trying)
    expect(host.pids().bare).toBe(before.bare)
    expect(lines.some((line) => line.startsWith('trying: ended by itself'))).toBe(true)
  })
})

test('a function that does not start fails the boot by its name and leaves nothing running', async () => {
  const folder = join(dir, 'broken')
  mkdirSync(join(folder, 'broken'), { recursive: true })
  writeFileSync(join(folder, 'broken', 'index.ts'), `throw new Error('no')`)
  writeFileSync(join(folder, 'deno.json'), '{"lock": false}')
  const functions = [{ name: 'broken', env: [], net: [], permissions: NOTHING_ELSE }]
  writeFileSync(join(folder, 'functions.json'), JSON.stringify({ functions }))
  await expect(startFunctions({ dir, folder, env: {}, log: () => {} })).rejects.toThrow('broken did not start')
})

test('D2: the enumerated functions of this project start with what their lines name, and refuse a caller without a token', async () => {
  const { privateKey } = await generateKeyPair('EdDSA', { extractable: true })
  const project = 'http://127.0.0.1:9'
  const real = await startFunctions({
    dir,
    log: () => {},
    env: {
      SUPABASE_URL: project,
      SUPABASE_SECRET_KEY: 'sb_secret_test',
      AUTH_ISSUER: `${project}/auth/v1`,
      AUTH_JWKS_URL: `${project}/auth/v1/.well-known/jwks.json`,
      VAULT_URL: project,
      INVITATION_KEY: 'k'.repeat(43),
      VAULT_SERVICE_KEY: JSON.stringify(await exportJWK(privateKey)),
      CLIENT_SUPABASE_API_URL: project,
      CLOUDFLARE_API_URL: project,
      RESEND_API_URL: project,
      STRIPE_API_URL: project,
      CONSOLE_DATABASE_URL: 'postgres://127.0.0.1:9/postgres',
      CONSOLE_LOGIN_KEY: 'A'.repeat(43),
      PGAPPNAME: 'flarewatch-console',
      PGTARGETSESSIONATTRS: '',
      DASHBOARD_URL: project,
    },
  })
  try {
    for (const name of Object.keys(real.pids())) {
      const response = await fetch(`${real.url}/${name}`, { method: 'POST', body: '{}' })
      expect(response.status, name).toBe(401)
    }
  } finally {
    await real.stop()
  }
})
