import { join, resolve } from 'node:path'

const ROOT = resolve(import.meta.dirname, '../..')

/** A path inside the checkout, wherever the command was started from. */
export function checkout(...path: string[]): string {
  return join(ROOT, ...path)
}
