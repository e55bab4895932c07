import { spawn } from 'node:child_process'
import { checkout } from '../supervisor/checkout.ts'

export type CommandEnd = { readonly status: number | null; readonly stdout: string; readonly stderr: string }

/** Runs `flarewatch` beside this process, which must go on answering: the stand's clock and its database pool are in it. */
export function runCommand(args: readonly string[]): Promise<CommandEnd> {
  const child = spawn(process.execPath, [checkout('cli/flarewatch.mjs'), ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const output = { stdout: '', stderr: '' }
  child.stdout.on('data', (chunk: Buffer) => {
    output.stdout += chunk.toString()
  })
  child.stderr.on('data', (chunk: Buffer) => {
    output.stderr += chunk.toString()
  })
  return new Promise((ended) => child.once('close', (status) => ended({ status, ...output })))
}
