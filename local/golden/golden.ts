import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { parseArgs } from 'node:util'
import { z } from 'zod'
import { checkout } from '../supervisor/checkout.ts'
import { proveKills } from './kills.ts'
import { proveOperation } from './operate.ts'
import type { GoldenOptions, Scale } from './scale.ts'
import { proveTotals } from './totals.ts'

/**
 * `npm run golden -- [totals] [kills] [operate]`: what four providers' polls store, against the simulators' own ledgers. With
 * `--scale full` each that holds is written into the proof, with the commit that it held on.
 */
class UsageError extends Error {}

const PROOFS = { totals: proveTotals, kills: proveKills, operate: proveOperation } as const
type Name = keyof typeof PROOFS
const NAMES = Object.keys(PROOFS) as Name[]
type Asked = { readonly names: readonly Name[]; readonly seed: number; readonly scale: Scale }

const EXIT_FAILED = 1
const EXIT_USAGE = 2
const DEFAULT_SEED = 1
/** More of a kind say no more. */
const MOST_SHOWN = 50
const PROOF = checkout('docs/proofs/golden.json')

const json = process.argv.includes('--json')
const say = (line: string) => void process.stderr.write(`${line}\n`)
// What the connector logs of each poll is noise here.
for (const level of ['log', 'warn', 'error'] as const) console[level] = () => {}
try {
  const asked = readArguments(process.argv.slice(2))
  const commit = currentCommit()
  const report = await prove(asked)
  if (asked.scale === 'full') writeProof(report, { commit, at: new Date().toISOString() })
  process.stdout.write(json ? `${JSON.stringify(report)}\n` : summary(report))
  process.exitCode = report.ok ? 0 : EXIT_FAILED
} catch (error) {
  const code = error instanceof UsageError ? 'usage' : 'failed'
  const message = error instanceof Error ? error.message : String(error)
  if (json) process.stdout.write(`${JSON.stringify({ ok: false, error: { code, message } })}\n`)
  say(`${code}: ${message}`)
  process.exitCode = error instanceof UsageError ? EXIT_USAGE : EXIT_FAILED
}

type Outcome = { readonly ok: boolean; readonly ms: number }
type Report = { readonly ok: boolean; readonly scale: Scale } & { readonly [Part in Name]?: Outcome }

async function prove({ names, seed, scale }: Asked): Promise<Report> {
  const outcomes: [Name, Outcome][] = []
  for (const name of names) {
    const began = Date.now()
    const outcome = await PROOFS[name]({ seed, scale, say } satisfies GoldenOptions)
    outcomes.push([name, { ...outcome, ms: Date.now() - began }])
  }
  return { ok: outcomes.every(([, { ok }]) => ok), scale, ...shortened(Object.fromEntries(outcomes)) }
}

function shortened(outcomes: { readonly [Part in Name]?: Outcome }): { readonly [Part in Name]?: Outcome } {
  return JSON.parse(
    JSON.stringify(outcomes, (key, value) =>
      key === 'differences' && Array.isArray(value) ? value.slice(0, MOST_SHOWN) : value,
    ),
  )
}

function readArguments(args: readonly string[]): Asked {
  try {
    const options = { scale: { type: 'string' }, seed: { type: 'string' }, json: { type: 'boolean' } } as const
    const { values, positionals } = parseArgs({ args: [...args], options, allowPositionals: true })
    const { scale = 'ci' } = values
    const seed = Number(values.seed ?? DEFAULT_SEED)
    if (!Number.isSafeInteger(seed) || seed < 0) throw new Error('--seed takes a whole number')
    if (scale !== 'ci' && scale !== 'full') throw new Error('--scale takes ci or full')
    const unknown = positionals.find((name) => !NAMES.some((known) => known === name))
    if (unknown !== undefined) throw new Error(`no proof ${unknown}`)
    const names = NAMES.filter((name) => positionals.length === 0 || positionals.includes(name))
    return { names, seed, scale }
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error)
    throw new UsageError(`${message}. Usage: [${NAMES.join('] [')}] --seed N --scale ci|full --json`)
  }
}

/** Asked before the run: the one that its code is of. A checkout without its history has none. */
function currentCommit(): string | null {
  const { status, stdout } = spawnSync('git', ['rev-parse', 'HEAD'], { cwd: import.meta.dirname, encoding: 'utf8' })
  return status === 0 ? stdout.trim() : null
}

/** They take an hour together, and one that failed says nothing against the others. */
function writeProof(report: Report, run: { readonly commit: string | null; readonly at: string }): void {
  const held = NAMES.flatMap((name) => (report[name]?.ok === true ? [[name, { ...run, ...report[name] }]] : []))
  const known = existsSync(PROOF)
    ? z.record(z.string(), z.unknown()).parse(JSON.parse(readFileSync(PROOF, 'utf8')))
    : {}
  mkdirSync(dirname(PROOF), { recursive: true })
  writeFileSync(PROOF, `${JSON.stringify({ ...known, ...Object.fromEntries(held) }, null, 2)}\n`)
}

function summary({ ok, ...report }: Report): string {
  const lines = NAMES.flatMap((name) => {
    const outcome = report[name]
    return outcome === undefined ? [] : [`${name}: ${outcome.ok ? 'ok' : 'NOT OK'}, ${Math.round(outcome.ms / 1000)} s`]
  })
  return `${lines.join('\n')}\n${ok ? 'ok: every figure is what the ledgers say' : 'NOT OK: see --json'}\n`
}
