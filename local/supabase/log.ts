import { createWriteStream, mkdirSync } from 'node:fs'
import { dirname } from 'node:path'

export type Log = (line: string) => void

/** One line an event, with the time that it was written. */
export function fileLog(path: string): Log {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
  const stream = createWriteStream(path, { flags: 'a', mode: 0o600 })
  return (line) => {
    stream.write(`${new Date().toISOString()} ${line}\n`)
  }
}
