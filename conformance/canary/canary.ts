import { CanaryFailed, EXIT, readArguments } from './arguments.ts'
import { attach } from './attach.ts'
import type { Planted } from './planted.ts'
import { searchEverything } from './search.ts'
import type { Finding } from './sweep.ts'

/** `npm run canary`: T2's sweep. Knows a running stack by its `run.json` and imports none of our code. */
export type CanaryDocument = {
  readonly ok: boolean
  readonly secrets: number
  readonly findings: readonly Finding[]
  readonly places: readonly { readonly name: string; readonly bytes: number }[]
  readonly planted: Planted
}

const json = process.argv.includes('--json')
try {
  const { dir } = readArguments(process.argv.slice(2))
  const { run, stop } = await attach(dir)
  const document = await searchEverything(dir, run).finally(stop)
  process.stdout.write(json ? `${JSON.stringify(document)}\n` : table(document))
  process.exitCode = document.ok ? EXIT.ok : EXIT.failed
} catch (error) {
  const code = error instanceof CanaryFailed ? error.code : 'failed'
  const message = error instanceof Error ? error.message : String(error)
  if (json) process.stdout.write(`${JSON.stringify({ ok: false, error: { code, message } })}\n`)
  process.stderr.write(`${code}: ${message}\n`)
  process.exitCode = error instanceof CanaryFailed ? error.exit : EXIT.failed
}

function table({ ok, secrets, findings, places, planted }: CanaryDocument): string {
  const lines = [
    `${secrets} secrets in every encoding, searched for in`,
    ...places.map(({ name, bytes }) => `  ${name.padEnd(28)} ${bytes.toLocaleString('en').padStart(14)} bytes`),
    `planted ${planted.tried}, found ${planted.found}`,
    ...planted.missed.map(({ place, encoding }) => `  MISSED ${encoding} in ${place}`),
    ...findings.map(
      ({ secret, encoding, place, location }) => `  FOUND ${secret}, ${encoding}, in ${place}: ${location}`,
    ),
    ok ? 'ok: none was found' : 'NOT OK',
  ]
  return `${lines.join('\n')}\n`
}
