import { z } from 'zod'
import type { RunFile } from '../../run-file.ts'
import type { Sessions } from '../sessions.ts'
import type { Item } from '../sweep.ts'

const MAX_ASSETS = 200
const MAX_AUDIT_PAGES = 50
const MAX_RECEIPTS = 100
const DAY_MS = 86_400_000

const Sites = z.object({ sites: z.array(z.object({ id: z.uuid() })) })
const Audit = z.object({ next_after_seq: z.number().nullable() })
const Receipts = z.object({ receipts: z.array(z.object({ size: z.number() })) })

type Visitor = { readonly name: string; readonly headers: Record<string, string> }

/** Every answer that a visitor can get: each route without a session, with a password alone, and at AAL2; heads included. */
export async function* answers(run: RunFile, sessions: Sessions): AsyncGenerator<Item> {
  const visitors: Visitor[] = [
    { name: 'nobody', headers: {} },
    { name: 'AAL1', headers: await bearer(sessions.aal1, sessions.tenantId) },
    { name: 'AAL2', headers: await bearer(sessions.aal2, sessions.tenantId) },
  ]
  for (const visitor of visitors) {
    yield* gateway(run, sessions.tenantId, visitor)
    yield* supabase(run, visitor)
  }
  yield* assets(run)
}

async function bearer(person: Sessions['aal1'], tenantId: string): Promise<Record<string, string>> {
  return { authorization: `Bearer ${await person.token()}`, 'flarewatch-tenant': tenantId }
}

async function* gateway(run: RunFile, tenantId: string, visitor: Visitor): AsyncGenerator<Item> {
  const get = (path: string) => visit('answers of the gateway', run.gateway_url + path, visitor)
  for (const path of FIXED_PATHS) yield (await get(path)).item
  const sites = await get('/api/sites')
  yield sites.item
  for (const { id } of parsed(Sites, sites.text)?.sites ?? []) {
    for (const query of metricQueries()) yield (await get(`/api/sites/${id}/metrics?${query}`)).item
  }
  for (let page = 0, after: number | null = 0; after !== null && page < MAX_AUDIT_PAGES; page += 1) {
    const audit = await get(`/api/audit?after_seq=${after}`)
    yield audit.item
    after = parsed(Audit, audit.text)?.next_after_seq ?? null
  }
  yield* receipts(tenantId, get)
}

type Get = (path: string) => Promise<Visited>

async function* receipts(tenantId: string, get: Get): AsyncGenerator<Item> {
  const list = await get('/api/receipts')
  yield list.item
  yield (await get(`/receipts/${tenantId}`)).item
  const sizes = (parsed(Receipts, list.text)?.receipts ?? []).slice(0, MAX_RECEIPTS).map(({ size }) => size)
  for (const size of sizes) yield (await get(`/receipts/${tenantId}/${size}`)).item
  const [newest] = sizes
  const oldest = sizes.at(-1)
  if (newest !== undefined && oldest !== undefined) yield (await get(`/receipts/${tenantId}/${oldest}/${newest}`)).item
}

const FIXED_PATHS = [
  '/api/config',
  '/api/me',
  '/api/credentials',
  '/api/status',
  '/api/incidents',
  '/api/dead-letters',
  '/api/audit/export',
  '/api/audit/rows/1/proof',
  '/api/audit?order=newest&action=credential.store',
  '/api/no-such-route',
  '/mcp',
  '/webhooks/cloudflare/canary',
  '/.well-known/jwks.json',
  '/.well-known/log-keys.txt',
  '/.well-known/security.txt',
]

function metricQueries(): string[] {
  const to = new Date()
  return [
    ['hour', 7],
    ['day', 90],
  ].map(([grain, days]) => {
    const from = new Date(to.getTime() - Number(days) * DAY_MS)
    return `grain=${grain}&from=${from.toISOString()}&to=${to.toISOString()}`
  })
}

/** Sign-in, the Data API (which exposes no table of ours) and the functions asked wrongly. */
async function* supabase(run: RunFile, visitor: Visitor): AsyncGenerator<Item> {
  const withKey = { ...visitor, headers: { apikey: run.publishable_key, ...visitor.headers } }
  for (const path of ['user', 'settings', 'health', 'factors', '.well-known/jwks.json']) {
    yield (await visit('answers of sign-in', `${run.supabase_url}/auth/v1/${path}`, withKey)).item
  }
  for (const path of ['', 'credentials?select=*', 'tenant_keys?select=*', 'mail_outbox?select=*']) {
    const profile = { ...withKey, headers: { ...withKey.headers, 'accept-profile': 'flarewatch' } }
    yield (await visit('answers of the Data API', `${run.supabase_url}/rest/v1/${path}`, profile)).item
  }
  for (const name of [
    'tenant-create',
    'step-up',
    'credential-store',
    'credential-rotate',
    'credential-delete',
    'dead-letter-replay',
    'provider-action',
    'no-such-function',
  ]) {
    const url = `${run.functions_url}/${name}`
    yield (await visit('answers of the functions', url, withKey)).item
    yield (await visit('answers of the functions', url, withKey, { method: 'POST', body: '{"unfinished' })).item
  }
}

/** The dashboard and what its page names. */
async function* assets(run: RunFile): AsyncGenerator<Item> {
  const nobody = { name: 'nobody', headers: {} }
  const page = await visit('dashboard assets', `${run.gateway_url}/`, nobody)
  yield page.item
  const named = [...page.text.matchAll(/["'(](\/[\w./-]+\.(?:js|css|json|txt|svg|ico|woff2))/g)].map(([, path]) => path)
  for (const path of [...new Set(named)].slice(0, MAX_ASSETS)) {
    yield (await visit('dashboard assets', `${run.gateway_url}${path}`, nobody)).item
  }
}

export type Visited = { readonly item: Item; readonly text: string }

export async function visit(place: string, url: string, visitor: Visitor, init: RequestInit = {}): Promise<Visited> {
  const response = await fetch(url, { ...init, headers: visitor.headers, redirect: 'manual' })
  const body = Buffer.from(await response.arrayBuffer())
  const heads = [...response.headers].map(([name, value]) => `${name}: ${value}\n`).join('')
  const location = `${init.method ?? 'GET'} ${new URL(url).pathname} as ${visitor.name}: ${response.status}`
  return { item: { place, location, chunks: [Buffer.from(heads), body] }, text: body.toString('utf8') }
}

function parsed<Schema extends z.ZodType>(schema: Schema, text: string): z.infer<Schema> | undefined {
  try {
    return schema.safeParse(JSON.parse(text)).data
  } catch {
    return undefined
  }
}
