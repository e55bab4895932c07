import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { TOTP } from 'otpauth'
import { z } from 'zod'
import type { Agency } from '../agency.ts'
import type { RunFile } from '../run-file.ts'

const CHECKOUT = dirname(dirname(import.meta.dirname))
const Answer = z.object({ ok: z.boolean(), error: z.object({ code: z.string() }).optional() })

/** An owner at a machine of their own, who runs `flarewatch` there and has looked at the log before. */
export class PinnedClient {
  readonly #agency: Agency
  readonly #run: RunFile
  readonly #dir = mkdtempSync(join(tmpdir(), 'flarewatch-pins-'))

  constructor(agency: Agency, run: RunFile) {
    this.#agency = agency
    this.#run = run
  }

  /** Signs in and pins the newest checkpoint, trusting the key that the stack has published before anything was forged. */
  async look(): Promise<void> {
    const { owner, totpSecret } = this.#agency
    const code = new TOTP({ secret: totpSecret }).generate()
    const login = ['login', '--url', this.#run.gateway_url, '--email', owner.email, '--totp', code]
    const failure =
      (await this.#flarewatch(login, owner.password)) ?? (await this.check(['--trust', this.#run.log_vkey]))
    if (failure !== null) throw new Error(`the client could not look at a sound log: ${failure}`)
  }

  /** Null when the log extends what was pinned; else the code of what is wrong. */
  async check(more: readonly string[] = []): Promise<string | null> {
    return this.#flarewatch(['audit', 'prove', '1', '--tenant', this.#agency.tenantId, ...more])
  }

  remove(): void {
    rmSync(this.#dir, { recursive: true, force: true })
  }

  #flarewatch(args: readonly string[], password = ''): Promise<string | null> {
    const child = spawn(process.execPath, ['cli/flarewatch.mjs', ...args, '--json', '--data', this.#dir], {
      cwd: CHECKOUT,
      stdio: ['ignore', 'pipe', 'inherit'],
      env: { PATH: process.env.PATH, FLAREWATCH_PASSWORD: password },
    })
    let stdout = ''
    child.stdout.on('data', (chunk: Buffer) => {
      stdout += chunk.toString()
    })
    return new Promise((done, fail) => {
      child.once('error', fail)
      child.once('close', () => {
        const answer = Answer.safeParse(parsed(stdout))
        if (!answer.success) fail(new Error(`flarewatch ${args[0]} answered nothing that can be read`))
        else done(answer.data.ok ? null : (answer.data.error?.code ?? 'failed'))
      })
    })
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
