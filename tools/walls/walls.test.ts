import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll, beforeEach, describe, expect, test } from 'vitest'
import { bundle, WORKER_CONFIGS } from '../../local/workers/worker-options.ts'
import { drift } from './drift.ts'
import { EXPECTED_BINDINGS } from './expected.ts'
import { cachingFault, hyperdriveBindings } from './hyperdrive.ts'

const root = dirname(dirname(import.meta.dirname))
const copy = mkdtempSync(join(tmpdir(), 'flarewatch-walls-'))
afterAll(() => rmSync(copy, { recursive: true, force: true }))

/** Mutates a copy of the configuration: the check itself reads the checkout. */
beforeEach(() => {
  for (const file of Object.keys(EXPECTED_BINDINGS)) {
    mkdirSync(dirname(join(copy, file)), { recursive: true })
    cpSync(join(root, file), join(copy, file))
  }
  rmSync(join(copy, 'edge-functions'), { recursive: true, force: true })
  cpSync(join(root, 'edge-functions'), join(copy, 'edge-functions'), { recursive: true })
})

describe('the walls', () => {
  test('D2: functions and bindings are exactly those of the design', () => {
    expect(drift(root)).toEqual([])
  })

  test('D2: a further Edge Function is drift', () => {
    mkdirSync(join(copy, 'edge-functions', 'quick-fix'))
    expect(drift(copy)).toEqual(['edge-functions: has "quick-fix", which the design does not give it'])
  })

  test('D2: a binding that a Worker gains or loses is drift', () => {
    change('workers/scheduler/wrangler.toml', (text) => `${text}\n[[kv_namespaces]]\nbinding = "CACHE"\nid = "0123"\n`)
    change('wrangler.toml', (text) => text.replace('entrypoint = "GatewayDoor"', 'entrypoint = "ConnectorDoor"'))
    expect(drift(copy)).toEqual([
      'wrangler.toml: has "service VAULT flarewatch-vault#ConnectorDoor", which the design does not give it',
      'wrangler.toml: lacks "service VAULT flarewatch-vault#GatewayDoor"',
      'workers/scheduler/wrangler.toml: has "kv CACHE", which the design does not give it',
    ])
  })

  test.each(Object.entries(WORKER_CONFIGS))('D2: the bundle of %s names no key of the database', async (_, config) => {
    const code = await bundle(join(root, dirname(config), mainOf(join(root, config))))
    expect(code.match(/SERVICE_ROLE_KEY|SUPABASE_SECRET_KEYS?|SUPABASE_DB_URL|JWT_SECRET/g)).toBeNull()
  })

  test.each([
    'SUPABASE_SERVICE_ROLE_KEY',
    'SUPABASE_SECRET_KEY',
    'SUPABASE_SECRET_KEYS',
    'SUPABASE_DB_URL',
    'SUPABASE_JWT_SECRET',
    'DEMO_KEK_ACCEPTED',
    'CLOCK',
  ])('D2: %s in a wrangler file is drift', (name) => {
    change('workers/connector/wrangler.toml', (text) => text.replace('[vars]', `[vars]\n${name} = "x"`))
    expect(drift(copy).join()).toContain('must not name')
  })
})

describe('T4: Hyperdrive keeps no answers', () => {
  const configuration = (caching: object) =>
    `wrangler\n${JSON.stringify({ id: '1', name: 'flarewatch-gateway', origin: { host: 'db', port: 5432 }, ...caching }, null, 2)}\n`

  test.each(Object.keys(WORKER_CONFIGS))('a binding of %s that is not declared so is drift', (name) => {
    const file = WORKER_CONFIGS[name as keyof typeof WORKER_CONFIGS]
    change(file, (text) => text.replace(' --caching-disabled true', ''))
    expect(drift(copy)).toEqual([`${file}: a Hyperdrive is not declared as made with --caching-disabled true`])
  })

  test('the account’s own word counts, and nothing but "disabled" is that', () => {
    expect(cachingFault(configuration({ caching: { disabled: true } }))).toBeNull()
    const on = 'flarewatch-gateway caches queries'
    // The account's default is a cache of 60 seconds, and it may leave the field away.
    for (const caching of [{}, { caching: {} }, { caching: { disabled: false, max_age: 60 } }]) {
      expect(cachingFault(configuration(caching))).toBe(on)
    }
    for (const text of ['', 'Authentication error', '{'])
      expect(cachingFault(text)).toBe('wrangler printed no configuration')
  })

  test('every binding is asked about, one of a file that has none yet as well', () => {
    expect(hyperdriveBindings(root, Object.values(WORKER_CONFIGS)).map(({ file }) => file)).toEqual(
      Object.values(WORKER_CONFIGS),
    )
  })
})

function mainOf(config: string): string {
  const main = /^main = "([^"]+)"/m.exec(readFileSync(config, 'utf8'))?.[1]
  if (main === undefined) throw new Error(`${config} names no main module`)
  return main
}

function change(file: string, edit: (text: string) => string): void {
  const path = join(copy, file)
  const before = readFileSync(path, 'utf8')
  writeFileSync(path, edit(before))
}
