import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import postgres from 'postgres'
import { z } from 'zod'
import { checkout } from '../supervisor/checkout.ts'
import { type RunFile, readRunFile } from '../supervisor/run-file.ts'
import { type Chain, verifyStoredChain } from './chain.ts'
import { countStored, type Stored } from './counts.ts'

export { countStored } from './counts.ts'

export type DocumentOptions = {
  readonly stack: { readonly run: RunFile }
  readonly before: Stored
  readonly boot: { readonly ms: number; readonly parts: Readonly<Record<string, number>> }
  readonly dir: string
}

const Canary = z.looseObject({
  ok: z.boolean(),
  findings: z.array(z.unknown()),
  places: z.array(z.object({ name: z.string(), bytes: z.number() })),
})
type Receipt = { readonly path: string; readonly size: number }

/** The document of `npm run demo -- --once --json`. */
export async function demoDocument({ stack, before, boot, dir }: DocumentOptions) {
  const tenantId = readRunFile(dir)?.demo?.tenant_id
  if (tenantId === undefined) throw new Error(`${dir}/run.json names no demo tenant`)
  const { postgres_superuser_url, gateway_url } = stack.run
  const stored = await countStored(postgres_superuser_url)
  const added = {
    polls: stored.polls - before.polls,
    metric_rows: stored.metric_rows - before.metric_rows,
    audit_rows: stored.audit_rows - before.audit_rows,
  }
  const [chain, receipt, canary, versions] = await Promise.all([
    verifyStoredChain(postgres_superuser_url, tenantId),
    newestReceipt(gateway_url, tenantId),
    sweep(dir),
    versionsOf(postgres_superuser_url),
  ])
  const isFull = Object.values(stored).every((count) => count > 0) && added.polls > 0 && added.audit_rows > 0
  return {
    ok: isFull && chain.ok && receipt !== null && canary.ok,
    versions,
    boot: { kind: before.audit_rows === 0 ? 'cold' : 'warm', ...boot },
    ...stored,
    added,
    chain: chain satisfies Chain,
    receipt,
    canary,
  }
}

/** As an outsider fetches it: the newest checkpoint's second line is its size (C2SP tlog-checkpoint). */
async function newestReceipt(gatewayUrl: string, tenantId: string): Promise<Receipt | null> {
  const response = await fetch(new URL(`/receipts/${tenantId}`, gatewayUrl))
  const size = Number((await response.text()).split('\n')[1])
  return response.ok && size > 0 ? { path: `/receipts/${tenantId}/${size}`, size } : null
}

/** It takes seconds; one that does not end is a sweep that found nothing clean. */
const SWEEP_TIMEOUT_MS = 120_000

/** The sweep is an outsider: a process of its own that knows `run.json` and none of our code. */
async function sweep(dir: string): Promise<z.infer<typeof Canary>> {
  const child = spawn(process.execPath, [checkout('conformance/canary/canary.ts'), '--json', '--data', dir], {
    stdio: ['ignore', 'pipe', 'inherit'],
    timeout: SWEEP_TIMEOUT_MS,
  })
  const chunks: Buffer[] = []
  child.stdout.on('data', (chunk: Buffer) => chunks.push(chunk))
  await new Promise((closed) => child.once('close', closed))
  const parsed = Canary.safeParse(JSON.parse(Buffer.concat(chunks).toString('utf8') || 'null'))
  return parsed.success ? parsed.data : { ok: false, findings: [], places: [] }
}

const PACKAGES = [
  '@supabase/lite',
  '@supabase/supabase-js',
  'deno',
  'miniflare',
  'next',
  'postgres',
  'workerd',
  'wrangler',
]
const Package = z.object({ version: z.string() })

async function versionsOf(superuserUrl: string): Promise<Record<string, string>> {
  const read = (path: string) => Package.parse(JSON.parse(readFileSync(path, 'utf8'))).version
  const packages = PACKAGES.map((name) => [name, read(checkout('node_modules', name, 'package.json'))])
  const sql = postgres(superuserUrl, { max: 1 })
  try {
    const [server] = await sql<{ server_version: string }[]>`show server_version`
    return {
      flarewatch: read(checkout('package.json')),
      node: process.versions.node,
      postgresql: server?.server_version ?? 'unknown',
      ...Object.fromEntries(packages),
    }
  } finally {
    await sql.end()
  }
}
