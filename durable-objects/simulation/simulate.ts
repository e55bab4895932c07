import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { runSeed } from './run.ts'
import { Tally } from './tally.ts'

/**
 * `npm run simulation`: seeded histories of one ledger each, through crashes, outages, lost answers and set-backs. Exits 1
 * when a promise broke, with a line for each such seed that plays it again.
 */
const USAGE =
  'usage: npm run simulation -- [--seed N] [--scale ci|full] [--runs N] [--stop-at-first] [--trace] [--json]'
const EXIT = { ok: 0, failed: 1, usage: 2 } as const
const RUNS = { ci: 300, full: 10_000 } as const
const PROGRESS_EVERY = 500

type Options = {
  readonly seed: number
  readonly runs: number
  readonly stopAtFirst: boolean
  readonly trace: boolean
  readonly json: boolean
}
type Failure = { readonly seed: number; readonly violation: string; readonly replay: string }
export type SimulationDocument = {
  readonly ok: boolean
  readonly seed: number
  readonly runs: number
  readonly failures: readonly Failure[]
  readonly counts: Readonly<Record<string, number>>
  readonly ms: number
}

const options = readOptions(process.argv.slice(2))
if (options === null) {
  if (process.argv.includes('--json')) {
    process.stdout.write(`${JSON.stringify({ ok: false, error: { code: 'usage', message: USAGE } })}\n`)
  }
  process.stderr.write(`${USAGE}\n`)
  process.exitCode = EXIT.usage
} else {
  const document = await simulate(options)
  process.stdout.write(options.json ? `${JSON.stringify(document)}\n` : summary(document))
  process.exitCode = document.ok ? EXIT.ok : EXIT.failed
}

async function simulate({ seed, runs, stopAtFirst, trace }: Options): Promise<SimulationDocument> {
  const began = performance.now()
  const tally = new Tally()
  const failures: Failure[] = []
  const scratch = mkdtempSync(join(tmpdir(), 'flarewatch-simulation-'))
  const say = trace ? (line: string) => void process.stderr.write(`${line}\n`) : () => {}
  // What the ledger logs is part of a trace, and noise otherwise.
  if (!trace) for (const level of ['log', 'warn', 'error'] as const) console[level] = () => {}
  try {
    for (let run = 0; run < runs && !(stopAtFirst && failures.length > 0); run += 1) {
      const violation = await runSeed({ seed: seed + run, folder: join(scratch, String(run)), tally, say })
      if (violation !== null) failures.push(failureOf(seed + run, violation))
      if ((run + 1) % PROGRESS_EVERY === 0) process.stderr.write(`${run + 1} of ${runs} runs\n`)
    }
  } finally {
    rmSync(scratch, { recursive: true, force: true })
  }
  const ms = Math.round(performance.now() - began)
  return { ok: failures.length === 0, seed, runs, failures, counts: tally.counts, ms }
}

function failureOf(seed: number, { message }: Error): Failure {
  const failure = { seed, violation: message, replay: `npm run simulation -- --seed ${seed} --runs 1 --trace` }
  process.stderr.write(`seed ${seed}: ${failure.violation}\n  ${failure.replay}\n`)
  return failure
}

function readOptions(args: readonly string[]): Options | null {
  try {
    const { values } = parseArgs({
      args: [...args],
      options: {
        seed: { type: 'string', default: '1' },
        scale: { type: 'string', default: 'ci' },
        runs: { type: 'string' },
        'stop-at-first': { type: 'boolean', default: false },
        trace: { type: 'boolean', default: false },
        json: { type: 'boolean', default: false },
      },
    })
    const { scale } = values
    if (scale !== 'ci' && scale !== 'full') return null
    const [seed, runs] = [Number(values.seed), Number(values.runs ?? RUNS[scale])]
    if (!Number.isSafeInteger(seed) || seed < 0 || !Number.isSafeInteger(runs) || runs < 1) return null
    return { seed, runs, stopAtFirst: values['stop-at-first'], trace: values.trace, json: values.json }
  } catch {
    return null
  }
}

function summary({ ok, runs, failures, counts, ms }: SimulationDocument): string {
  const lines = [
    ...Object.entries(counts).map(([what, times]) => `  ${what.replaceAll('_', ' ').padEnd(28)} ${times}`),
    ok
      ? `ok: ${runs} runs in ${(ms / 1000).toFixed(1)} s, every promise held`
      : `NOT OK: ${failures.length} of ${runs} runs broke a promise`,
  ]
  return `${lines.join('\n')}\n`
}
