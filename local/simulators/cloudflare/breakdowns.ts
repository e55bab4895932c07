import { createHash } from 'node:crypto'

/** How an hour's requests divide; each map adds up to all of them. */
export type Breakdown = {
  readonly statuses: ReadonlyMap<number, number>
  readonly countries: ReadonlyMap<string, number>
  readonly paths: ReadonlyMap<string, number>
  readonly threats: number
}

const STATUSES: Shares<number> = [
  [200, 8200],
  [304, 620],
  [404, 400],
  [301, 380],
  [403, 150],
  [206, 100],
  [502, 50],
  [429, 40],
  [101, 30],
  [500, 20],
  [503, 10],
]

/** More than are kept by name, so that there is a rest. `T1` and `XX` are Cloudflare's own, for Tor and for unknown. */
const COUNTRIES: Shares<string> = [
  ...['DE', 'US', 'GB', 'FR', 'NL', 'AT', 'CH', 'IN', 'JP', 'CA', 'AU', 'SE', 'PL', 'ES', 'IT', 'BE'],
  ...['DK', 'NO', 'FI', 'CZ', 'PT', 'IE', 'BR', 'MX', 'SG', 'ZA', 'KR', 'TR', 'UA', 'NZ', 'T1', 'XX'],
].map((code, place) => [code, Math.ceil(4000 / (place + 1))] as const)

const PAGES = ['/', '/shop', '/cart', '/about', '/contact', '/style.css', '/app.js', '/favicon.ico', '/robots.txt']
const PATHS: Shares<string> = [
  ...PAGES,
  ...Array.from({ length: 30 }, (_, index) => `/blog/post-${index + 1}`),
  // Asked for by one person: what a list of paths must not name.
  '/reset/Zx81-one-time-link',
].map((path, place, { length }) => [path, place === length - 1 ? 1 : Math.ceil(9000 / (place + 1))] as const)

/** The same seed, zone and hour always divide alike. */
export function breakdownOf(subject: string, requests: number): Breakdown {
  const chances = createHash('sha512').update(subject).digest()
  return {
    statuses: divide(requests, STATUSES, chances),
    countries: divide(requests, COUNTRIES, chances),
    paths: divide(requests, PATHS, chances),
    threats: Math.floor((requests * chances.readUInt8(0)) / 255 / 100),
  }
}

export function addUp(breakdowns: readonly Breakdown[]): Breakdown {
  return {
    statuses: merge(breakdowns.map(({ statuses }) => statuses)),
    countries: merge(breakdowns.map(({ countries }) => countries)),
    paths: merge(breakdowns.map(({ paths }) => paths)),
    threats: breakdowns.reduce((sum, { threats }) => sum + threats, 0),
  }
}

type Shares<Key> = readonly (readonly [Key, number])[]

/** Whole numbers that add up: what rounding leaves goes to the first. */
function divide<Key>(total: number, shares: Shares<Key>, chances: Buffer): Map<Key, number> {
  const weights = shares.map(([, weight], place) => weight * (192 + chances.readUInt8(place % chances.length)))
  const whole = weights.reduce((sum, weight) => sum + weight, 0)
  const parts = weights.map((weight) => Math.floor((total * weight) / whole))
  const left = total - parts.reduce((sum, part) => sum + part, 0)
  return new Map(
    shares
      .map(([key], place) => [key, (parts[place] ?? 0) + (place === 0 ? left : 0)] as const)
      .filter(([, count]) => count > 0),
  )
}

function merge<Key>(maps: readonly ReadonlyMap<Key, number>[]): Map<Key, number> {
  const merged = new Map<Key, number>()
  for (const map of maps) for (const [key, count] of map) merged.set(key, (merged.get(key) ?? 0) + count)
  return merged
}
