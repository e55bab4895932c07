import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { compared, inRounds, measured, percentile, UnequalWork } from './compare.ts'

const TIMEOUT_MS = 180_000
const Range = z.tuple([z.number().positive(), z.number().positive()])
const Document = z.object({
  ok: z.boolean(),
  scale: z.literal('ci'),
  seed: z.int(),
  machine: z.object({ cpu: z.string(), cores: z.int().positive(), node: z.string() }),
  results: z.array(
    z.object({
      name: z.string(),
      ours: z.number().positive(),
      peer: z.number().positive().nullable(),
      limit: z.number().positive(),
      ratio: z.number().positive().nullable(),
      unit: z.string(),
      spread: z.object({ ours: Range, peer: Range.nullable(), ratio: Range.nullable() }),
      reached: z.boolean(),
    }),
  ),
})

/** That it runs, that both sides did the same, and what it prints. How fast is no matter of a test. */
describe('the benchmarks', () => {
  it('run both sides of each comparison and print one document', { timeout: TIMEOUT_MS }, async () => {
    const { status, stdout } = await bench('vault', 'ledger', 'verify', '--scale', 'ci', '--json')
    const { ok, results } = Document.parse(JSON.parse(stdout))
    expect(status).toBe(ok ? 0 : 1)
    expect(ok).toBe(results.every(({ reached }) => reached))
    expect(results.map(({ name }) => name).filter((name) => !name.includes('memory'))).toEqual([
      'vault: against bare WebCrypto, both in workerd',
      'vault: against the AWS Encryption SDK in Node',
      'ledger: single appends, against the naive Postgres chain',
      'ledger: p99 of single appends, against the naive Postgres chain',
      'ledger: single appends, against a no-op RPC',
      'ledger: appended 100 at a time',
      'ledger: drained to Postgres, against appended',
      'verify: end to end, against a bare cursor in workerd',
      'verify: end to end, against a bare cursor in Node',
      'verify: an export offline, against a bare SHA-256 loop',
    ])
  })

  it('of ingestion run too', { timeout: TIMEOUT_MS }, async () => {
    const { status, stdout } = await bench('fan-out', 'ingest', 'webhooks', '--scale', 'ci', '--json')
    const { ok, results } = Document.parse(JSON.parse(stdout))
    expect(status).toBe(ok ? 0 : 1)
    expect(results.map(({ name }) => name)).toEqual([
      'fan-out: 1000 due credentials of 101 tenants',
      'fan-out: part of tenants with few, until the last of them is served',
      'fan-out: memory of a tick, against one with a tenth as many due',
      'ingest: polls of accounts without news',
      'ingest: polls for a hundred transactions',
      'webhooks: against a bare Worker that only queues',
      'webhooks: p99 to 200, against that Worker',
      'webhooks: against @supabase/stripe-sync-engine',
      'webhooks: p99 to 200, against that engine',
    ])
  })

  it.each([[[]], [['nothing']], [['vault', '--scale', 'huge']], [['vault', '--seed', 'x']]])(
    'refuse %j with the usage and exit 2',
    async (args) => {
      const { status, stdout } = await bench(...args, '--json')
      expect(status).toBe(2)
      expect(JSON.parse(stdout)).toMatchObject({ ok: false, error: { code: 'usage' } })
    },
  )
})

describe('a comparison', () => {
  const measure = (times: number, ms: number, work = 'same') => Promise.resolve({ times, ms, work })

  it('leaves the first round out, and takes the median of the ratios within the rounds', async () => {
    const ours = [1, 400, 200, 300]
    const { mine, peer } = await inRounds(
      3,
      { mine: () => measure(ours.shift() ?? 0, 1000), peer: () => measure(100, 1000) },
      () => {},
    )
    expect(mine).toEqual([400, 200, 300])
    expect(compared({ name: 'n', unit: 'u', ours: mine, peer, limit: 3 })).toMatchObject({
      ours: 300,
      peer: 100,
      ratio: 3,
      reached: true,
      spread: { ours: [200, 400], ratio: [2, 4] },
    })
  })

  it('is refused when the sides did not do the same', async () => {
    const sides = { mine: () => measure(1, 1, 'three rows'), peer: () => measure(1, 1, 'two rows') }
    await expect(inRounds(1, sides, () => {})).rejects.toThrow(UnequalWork)
  })

  it('turns a ratio of latencies, so that more is better everywhere', () => {
    const latencies = { name: 'n', unit: 'ms', ours: [10], peer: [30], limit: 2, lessIsBetter: true }
    expect(compared(latencies)).toMatchObject({ ratio: 3, reached: true })
    expect(compared({ ...latencies, ours: [20] })).toMatchObject({ ratio: 1.5, reached: false })
  })

  it('without a peer holds the figure itself against the limit', () => {
    expect(measured('n', 'u', [29_999], 30_000)).toMatchObject({ peer: null, ratio: null, reached: false })
  })

  it('takes the percentile that at least that share of the values does not exceed', () => {
    const values = Array.from({ length: 100 }, (_, at) => 100 - at)
    expect([percentile(values, 0.99), percentile(values, 0.5), percentile([7], 0.99)]).toEqual([99, 50, 7])
  })
})

async function bench(...args: readonly string[]): Promise<{ readonly status: number | null; readonly stdout: string }> {
  const child = spawn(process.execPath, [join(import.meta.dirname, 'bench.ts'), ...args], {
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  let stdout = ''
  child.stdout.on('data', (chunk: Buffer) => {
    stdout += chunk.toString()
  })
  const status = await new Promise<number | null>((ended) => child.once('close', ended))
  return { status, stdout }
}
