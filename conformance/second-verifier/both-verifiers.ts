import { spawn, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { z } from 'zod'

/** The two verifiers, each a process of its own that gets a file and nothing else. */
const ROOT = join(import.meta.dirname, '..', '..')
const OURS = [process.execPath, 'cli/flarewatch.mjs', 'audit', 'verify']
const SECOND = ['python3', 'conformance/second-verifier/verify.py']

const Verdict = z.strictObject({
  ok: z.boolean(),
  rows: z.int(),
  first_seq: z.int().nullable(),
  last_seq: z.int().nullable(),
  head: z.string().nullable(),
  anchored: z.boolean(),
  certificate: z.strictObject({ epoch: z.int(), last_seq: z.int() }).nullable(),
  failure: z.strictObject({ seq: z.int(), code: z.string() }).nullable(),
})
export type Verdict = z.infer<typeof Verdict> & { readonly exit: number | null }

/** Why the second verifier cannot run here, or null. */
export function missingPython(): string | null {
  const probe = spawnSync('python3', ['-c', 'import sys; sys.exit(sys.version_info < (3, 9))'])
  return probe.status === 0 ? null : 'this machine has no python3 of 3.9 or newer'
}

export async function judge(bytes: Buffer, trusted: string | null): Promise<{ ours: Verdict; second: Verdict }> {
  return withFile(bytes, async (file) => {
    const [ours, second] = await Promise.all([run(OURS, file, trusted), run(SECOND, file, trusted)])
    return { ours, second }
  })
}

export function judgeBySecond(bytes: Buffer, trusted: string | null): Promise<Verdict> {
  return withFile(bytes, (file) => run(SECOND, file, trusted))
}

async function withFile<T>(bytes: Buffer, use: (file: string) => Promise<T>): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), 'flarewatch-export-'))
  try {
    const file = join(folder, 'export.ndjson')
    writeFileSync(file, bytes)
    return await use(file)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

function run(command: readonly string[], file: string, trusted: string | null): Promise<Verdict> {
  const [program = '', ...first] = command
  const args = [...first, file, '--json', ...(trusted === null ? [] : ['--trust', trusted])]
  return new Promise((done, fail) => {
    const child = spawn(program, args, { cwd: ROOT, stdio: ['ignore', 'pipe', 'pipe'] })
    let [stdout, stderr] = ['', '']
    child.stdout.on('data', (chunk: Buffer) => {
      stdout += chunk.toString()
    })
    child.stderr.on('data', (chunk: Buffer) => {
      stderr += chunk.toString()
    })
    child.once('error', fail)
    child.once('close', (exit) => {
      try {
        done({ ...Verdict.parse(JSON.parse(stdout)), exit })
      } catch {
        fail(new Error(`${command.join(' ')} ended with ${exit} and no verdict: ${stdout}${stderr}`))
      }
    })
  })
}
