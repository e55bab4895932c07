import { CommandRefused, EXIT } from '../../command.ts'

/** As many digits as the vault reads in a binding's name. */
const MAX_VERSION = 999_999_999

export function parseVersion(text: unknown): number {
  const version = typeof text === 'string' && /^[1-9]\d{0,9}$/.test(text) ? Number(text) : Number.NaN
  if (version <= MAX_VERSION) return version
  throw new CommandRefused('usage', 'A KEK version is a whole number from 1', EXIT.usage)
}
