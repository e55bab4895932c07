import { spawn } from 'node:child_process'
import { availableParallelism } from 'node:os'

/** `npm run check`: every gate that needs no running stack but a throw-away Postgres. All run; the failures are printed at the end. */
const GATES: Record<string, readonly string[]> = {
  'format and lint': ['biome', 'ci', '--colors=off', '--error-on-warnings', '.'],
  'types: Node': ['tsc', '-p', 'tsconfig.json'],
  'types: Workers': ['tsc', '-p', 'tsconfig.workers.json'],
  'types: Worker tests': ['tsc', '-p', 'tsconfig.tests.json'],
  'types: dashboard': ['tsc', '-p', 'dashboards/tsconfig.json'],
  'types: Deno': ['node', 'tools/check-deno.ts'],
  'import rules': [
    'depcruise',
    '--config',
    '.dependency-cruiser.mjs',
    'domain',
    'workers',
    'durable-objects',
    'edge-functions',
    'cli',
    'conformance',
    'dashboards',
    'sql',
    'local',
  ],
  'binding rules': ['node', 'tools/check-bindings.ts'],
  'SQL lint': ['node', 'local/postgres/lint.ts'],
  'docs links': ['node', 'tools/check-links.ts'],
  'decision records': ['node', 'tools/adr-manifest.ts'],
}

type Outcome = { readonly gate: string; readonly ok: boolean; readonly output: string; readonly seconds: number }

function run(gate: string, command: readonly string[]): Promise<Outcome> {
  const began = performance.now()
  const [program = '', ...args] = command
  return new Promise((finished) => {
    const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] })
    const chunks: Buffer[] = []
    child.stdout.on('data', (chunk: Buffer) => chunks.push(chunk))
    child.stderr.on('data', (chunk: Buffer) => chunks.push(chunk))
    const finish = (ok: boolean, extra = '') =>
      finished({
        gate,
        ok,
        output: Buffer.concat(chunks).toString() + extra,
        seconds: (performance.now() - began) / 1000,
      })
    child.on('error', (error) => finish(false, String(error)))
    child.on('close', (code) => finish(code === 0))
  })
}

const waiting = Object.entries(GATES)
const outcomes: Outcome[] = []
async function worker(): Promise<void> {
  for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
    const outcome = await run(...next)
    outcomes.push(outcome)
    console.log(
      `${outcome.ok ? 'ok    ' : 'FAILED'} ${outcome.gate.padEnd(18)} ${outcome.seconds.toFixed(1).padStart(6)} s`,
    )
  }
}
await Promise.all(Array.from({ length: availableParallelism() }, worker))

const failures = outcomes.filter((outcome) => !outcome.ok)
for (const { gate, output } of failures) console.log(`\n--- ${gate}\n${output.trim()}`)
process.exitCode = failures.length === 0 ? 0 : 1
