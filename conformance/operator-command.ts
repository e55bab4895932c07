import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { z } from 'zod'
import { CLI, type Finished, type Running, start } from './command.ts'
import { until } from './stack.ts'

/** The command line of somebody who holds an operator key: a folder of their own, under their passphrase. */
export class OperatorCommand {
  readonly home = mkdtempSync(join(tmpdir(), 'flarewatch-operator-'))
  readonly keyFile = join(this.home, 'secrets', 'operator-key.json')
  readonly #passphrase: string

  constructor(passphrase: string) {
    this.#passphrase = passphrase
  }

  begin(args: readonly string[], env: Record<string, string> = {}): Running {
    return start([...CLI, ...args, '--data', this.home], { FLAREWATCH_OPERATOR_PASSPHRASE: this.#passphrase, ...env })
  }

  run(args: readonly string[], env: Record<string, string> = {}): Promise<Finished> {
    return this.begin(args, env).finished
  }

  remove(): void {
    rmSync(this.home, { recursive: true, force: true })
  }
}

/** Where the browser confirms what the command asks for. */
export async function confirmLink({ child, finished }: Running): Promise<string> {
  let told = ''
  child.stderr?.on('data', (chunk: Buffer) => {
    told += chunk.toString()
  })
  const early = finished.then(({ stdout, stderr }) => {
    throw new Error(`the command ended before it asked: ${stdout} ${stderr}`)
  })
  const asked = until(async () => /#tenant=\S+\s/.test(told), 'the command printed its link')
  await Promise.race([asked, early])
  early.catch(() => {})
  return /(http\S+#tenant=\S+)/.exec(told)?.[1] ?? ''
}

export function documentOf({ stdout }: Finished): Record<string, unknown> {
  return z.record(z.string(), z.unknown()).parse(JSON.parse(stdout))
}
