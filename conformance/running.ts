import { inject } from 'vitest'
import { type RunFile, readRun } from './run-file.ts'

/** The stack that this run's set-up booted. */
export function runningStack(): RunFile {
  const found = readRun(inject('dataDir'))
  if (found === undefined) throw new Error('no stack runs')
  return found
}
