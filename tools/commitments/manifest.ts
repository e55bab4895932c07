import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

/** What the founder's key will sign (D1): every decision record by its hash. */
export const MANIFEST_FILE = 'adr/MANIFEST'
const HEADER = 'flarewatch decision records, SHA-256\nsignature: unsigned\n'
const RECORD_FILE = /^\d{4}-.+\.md$/

export function manifestOf(root: string): string {
  const lines = readdirSync(join(root, 'adr'))
    .filter((name) => RECORD_FILE.test(name))
    .sort()
    .map(
      (name) =>
        `${createHash('sha256')
          .update(readFileSync(join(root, 'adr', name)))
          .digest('hex')}  ${name}\n`,
    )
  return `${HEADER}\n${lines.join('')}`
}

/** The lines in which the manifest and the records differ; empty when they agree. */
export function manifestDrift(root: string): string[] {
  const [actual, listed] = [linesOf(manifestOf(root)), linesOf(readManifest(root))]
  return [
    ...actual.filter((line) => !listed.includes(line)).map((line) => `${MANIFEST_FILE} lacks: ${line}`),
    ...listed.filter((line) => !actual.includes(line)).map((line) => `${MANIFEST_FILE} has, and no record is: ${line}`),
  ]
}

function readManifest(root: string): string {
  try {
    return readFileSync(join(root, MANIFEST_FILE), 'utf8')
  } catch {
    return ''
  }
}

function linesOf(text: string): string[] {
  return text.split('\n').filter((line) => line !== '')
}
