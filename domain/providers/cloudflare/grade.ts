import type { CredentialGrade } from '../../contracts/functions.ts'
import type { Zone } from './schemas.ts'

const READ_SUFFIX = ':read'

/**
 * Least-privilege grade from what Cloudflare itself says the token may do in each zone (T5). One permission that is not
 * a read makes it over-scoped; a zone that lists none leaves the question open, and it is shown as open.
 */
export function gradeZones(zones: readonly Pick<Zone, 'permissions'>[]): CredentialGrade {
  const listed = zones.map((zone) => zone.permissions ?? [])
  if (listed.flat().some((permission) => !permission.endsWith(READ_SUFFIX))) return 'over_scoped'
  if (listed.length === 0 || listed.some((permissions) => permissions.length === 0)) return 'not_proven_read_only'
  return 'read_only'
}

const SHOWN_PERMISSIONS = 6

/** The credential line's scope: how many zones, and what is allowed in any of them. Holds nothing secret. */
export function describeScope(zones: readonly Pick<Zone, 'permissions'>[]): string {
  const permissions = [...new Set(zones.flatMap((zone) => zone.permissions ?? []))].sort()
  const shown = permissions.slice(0, SHOWN_PERMISSIONS).map((permission) => permission.replace(/^#/, ''))
  const rest = permissions.length - shown.length
  const allowed =
    shown.length === 0 ? 'permissions not listed' : shown.join(', ') + (rest > 0 ? ` and ${rest} more` : '')
  return `${zones.length} ${zones.length === 1 ? 'zone' : 'zones'}: ${allowed}`
}

/** All that reading figures takes. */
const NEEDED: ReadonlySet<string> = new Set(['#zone:read', '#analytics:read'])

type Listed = readonly Pick<Zone, 'permissions'>[]

/** Each permission that any zone lists, in words. */
export function permissionsOf(zones: Listed): string[] {
  return inWords(listedBy(zones))
}

/** Those that reading figures does not need, reads as well as writes. */
export function excessOf(zones: Listed): string[] {
  return inWords(listedBy(zones).filter((permission) => !NEEDED.has(permission)))
}

const MAX_LISTED = 100

function listedBy(zones: Listed): string[] {
  return [...new Set(zones.flatMap((zone) => zone.permissions ?? []))].sort().slice(0, MAX_LISTED)
}

const MAX_WORDS = 40
const NAMES: Readonly<Record<string, string>> = { dns_records: 'DNS', zone: 'zones', ssl: 'SSL', waf: 'WAF' }

function inWords(permissions: readonly string[]): string[] {
  return permissions.map((permission) => {
    if (permission === '#cache_purge:edit') return 'purge cache'
    const [name = '', verb = 'use'] = permission.replace(/^#/, '').split(':')
    return `${verb} ${NAMES[name] ?? name.replaceAll('_', ' ')}`.slice(0, MAX_WORDS)
  })
}
