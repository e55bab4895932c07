import { randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

const SECRET_BYTES = 32

/** The secret that makes yesterday's keys valid today; without a folder, one for this run. */
export function simulatorSecret(stateDir: string | undefined, provider: string): Buffer {
  if (stateDir === undefined) return randomBytes(SECRET_BYTES)
  const path = join(stateDir, `${provider}-simulator.key`)
  if (!existsSync(path)) {
    mkdirSync(stateDir, { recursive: true, mode: 0o700 })
    writeFileSync(path, randomBytes(SECRET_BYTES), { mode: 0o600 })
  }
  const secret = readFileSync(path)
  if (secret.length !== SECRET_BYTES) throw new Error(`${path} is not a simulator secret`)
  return secret
}
