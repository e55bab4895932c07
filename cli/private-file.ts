import {
  chmodSync,
  closeSync,
  fsyncSync,
  linkSync,
  mkdirSync,
  openSync,
  renameSync,
  rmSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { dirname } from 'node:path'

/** Replaces a file that only its owner reads, whole or not at all. */
export function writePrivately(path: string, text: string): void {
  makePrivateFolder(dirname(path))
  const draft = `${path}.${process.pid}`
  try {
    writeFileSync(draft, text, { mode: 0o600, flag: 'wx' })
    renameSync(draft, path)
  } finally {
    rmSync(draft, { force: true })
  }
}

/** Writes a file that only its owner reads and that must outlive a crash. False, and nothing is written, where there is one already. */
export function writeOnce(path: string, text: string): boolean {
  makePrivateFolder(dirname(path))
  return writeNew(path, text)
}

/** The same in a folder that is its owner's business. */
export function writeNew(path: string, text: string): boolean {
  const draft = `${path}.${process.pid}`
  try {
    writeDurably(draft, text)
    // Unlike a rename, a link never replaces what is there: two that run at once cannot both win.
    linkSync(draft, path)
    return true
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EEXIST') return false
    throw error
  } finally {
    rmSync(draft, { force: true })
  }
}

function makePrivateFolder(folder: string): void {
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  chmodSync(folder, 0o700)
}

function writeDurably(path: string, text: string): void {
  const file = openSync(path, 'wx', 0o600)
  try {
    writeSync(file, text)
    fsyncSync(file)
  } finally {
    closeSync(file)
  }
}
