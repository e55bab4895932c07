import { parseArgs } from 'node:util'
import type { BenchResult } from './compare.ts'
import { type MachineFacts, machineFacts } from './machine.ts'
import { writePage } from './page.ts'
import type { Bench, Scale } from './scale.ts'

/** `npm run bench -- vault ledger verify`: both sides of each comparison in one run. Exits 1 when a limit was not reached. */
const BENCHES: Readonly<Record<string, () => Promise<Bench>>> = {
  vault: async () => (await import('./vault.ts')).benchVault,
  ledger: async () => (await import('./ledger.ts')).benchLedger,
  verify: async () => (await import('./verify.ts')).benchVerify,
  'fan-out': async () => (await import('./fan-out.ts')).benchFanOut,
  ingest: async () => (await import('./ingest.ts')).benchIngest,
  webhooks: async () => (await import('./webhooks.ts')).benchWebhooks,
  console: async () => (await import('./console.ts')).benchConsole,
}
const USAGE = `usage: npm run bench -- ${Object.keys(BENCHES).join(' ')} [--scale ci|full] [--seed N] [--write] [--json]`
const EXIT = { ok: 0, failed: 1, usage: 2 } as const

type Options = {
  readonly names: readonly string[]
  readonly scale: Scale
  readonly seed: number
  readonly write: boolean
  readonly json: boolean
}
export type BenchDocument = {
  /** Whether every limit was reached. */
  readonly ok: boolean
  readonly scale: Scale
  readonly seed: number
  readonly machine: MachineFacts
  readonly results: readonly BenchResult[]
}

const json = process.argv.includes('--json')
const options = readOptions(process.argv.slice(2))
if (options === null) fail('usage', USAGE, EXIT.usage)
else {
  try {
    const document = await run(options)
    if (options.write) writePage(document.results, document.machine)
    process.stdout.write(json ? `${JSON.stringify(document)}\n` : table(document))
    process.exitCode = document.ok ? EXIT.ok : EXIT.failed
  } catch (error) {
    fail('failed', error instanceof Error ? error.message : String(error), EXIT.failed)
  }
}

async function run({ names, scale, seed }: Options): Promise<BenchDocument> {
  const machine = machineFacts()
  const say = (line: string) => void process.stderr.write(`${line}\n`)
  const results: BenchResult[] = []
  for (const name of names) {
    say(name)
    const bench = await BENCHES[name]?.()
    if (bench !== undefined) results.push(...(await bench({ scale, seed, say })))
  }
  return { ok: results.every(({ reached }) => reached), scale, seed, machine, results }
}

function readOptions(args: readonly string[]): Options | null {
  try {
    const { values, positionals } = parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        scale: { type: 'string', default: 'full' },
        seed: { type: 'string', default: '1' },
        write: { type: 'boolean', default: false },
        json: { type: 'boolean' },
      },
    })
    const { scale } = values
    const seed = Number(values.seed)
    if (scale !== 'ci' && scale !== 'full') return null
    if (!Number.isSafeInteger(seed) || seed < 0) return null
    if (positionals.length === 0 || positionals.some((name) => !Object.hasOwn(BENCHES, name))) return null
    return { names: positionals, scale, seed, write: values.write, json: values.json ?? false }
  } catch {
    return null
  }
}

function fail(code: string, message: string, exit: number): void {
  if (json) process.stdout.write(`${JSON.stringify({ ok: false, error: { code, message } })}\n`)
  process.stderr.write(`${code}: ${message}\n`)
  process.exitCode = exit
}

function table({ ok, results }: BenchDocument): string {
  const lines = results.map(({ name, ours, peer, ratio, limit, unit, reached }) => {
    const figures = peer === null ? `${ours} ${unit}` : `${ours} against ${peer} ${unit}, ratio ${ratio}`
    return `${reached ? 'ok     ' : 'MISSED '} ${name}: ${figures} (at least ${limit})`
  })
  return `${lines.join('\n')}\n${ok ? 'every limit was reached' : 'NOT every limit was reached'}\n`
}
