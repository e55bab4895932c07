import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto'
import type { World, WorldZone } from './world.ts'

/**
 * What a token may do. Two are what Flarewatch must cope with: a list without permissions, and no analytics. A token holds its
 * place in this list.
 */
export const TOKEN_SCOPES = {
  read: ['#analytics:read', '#zone:read'],
  edit: ['#analytics:read', '#zone:edit', '#zone:read'],
  unlisted: undefined,
  without_analytics: ['#zone:read'],
  purge: ['#analytics:read', '#cache_purge:edit', '#zone:read'],
  dns: ['#analytics:read', '#dns_records:edit', '#zone:read'],
} as const
export type TokenScope = keyof typeof TOKEN_SCOPES
export const TOKEN_SCOPE_NAMES = Object.keys(TOKEN_SCOPES) as TokenScope[]

export const TOKEN_KINDS = { user: 'cfut_', account: 'cfat_' } as const
export type TokenKind = keyof typeof TOKEN_KINDS

export type TokenRequest = {
  /** Zone names; without it all zones, those that come later too. */
  readonly zones?: readonly string[] | undefined
  readonly scope: TokenScope
  readonly kind?: TokenKind | undefined
}
export type Grant = {
  readonly id: string
  readonly kind: TokenKind
  readonly scope: TokenScope
  readonly zones: readonly WorldZone[]
}

const NONCE_BYTES = 12
/** The byte of a token for all zones; the others name up to seven, a bit each. */
const ALL_ZONES = 0xff
const MAX_NAMED_ZONES = 7
const BODY_BYTES = NONCE_BYTES + 2
const MAC_BYTES = 16

/**
 * A token is its own record: nonce, zones, scope and a MAC under the simulator's secret. So tokens survive a restart, and
 * a database that leaks none of them leaks none from here either.
 */
export class TokenOffice {
  readonly #secret: Buffer
  readonly #world: World
  readonly #revoked = new Set<string>()

  constructor(secret: Buffer, world: World) {
    this.#secret = secret
    this.#world = world
  }

  issue(request: TokenRequest): string {
    const kind = request.kind ?? 'user'
    const body = Buffer.concat([
      randomBytes(NONCE_BYTES),
      Buffer.from([this.#zoneBits(request.zones), TOKEN_SCOPE_NAMES.indexOf(request.scope)]),
    ])
    return TOKEN_KINDS[kind] + Buffer.concat([body, this.#mac(kind, body)]).toString('base64url')
  }

  revoke(token: string): void {
    this.#revoked.add(token)
  }

  judge(token: string): Grant | undefined {
    const kind = (Object.keys(TOKEN_KINDS) as TokenKind[]).find((name) => token.startsWith(TOKEN_KINDS[name]))
    if (kind === undefined || this.#revoked.has(token)) return undefined
    const bytes = Buffer.from(token.slice(TOKEN_KINDS[kind].length), 'base64url')
    if (bytes.length !== BODY_BYTES + MAC_BYTES) return undefined
    const body = bytes.subarray(0, BODY_BYTES)
    if (!timingSafeEqual(this.#mac(kind, body), bytes.subarray(BODY_BYTES))) return undefined
    const scope = TOKEN_SCOPE_NAMES[body.readUInt8(NONCE_BYTES + 1)]
    if (scope === undefined) return undefined
    const bits = body.readUInt8(NONCE_BYTES)
    return {
      id: body.subarray(0, NONCE_BYTES).toString('hex').padEnd(32, '0'),
      kind,
      scope,
      zones: this.#world.zones.filter(
        (zone, index) => (bits === ALL_ZONES || (bits & (1 << index)) !== 0) && !this.#world.isGone(zone),
      ),
    }
  }

  #zoneBits(names: readonly string[] | undefined): number {
    if (names === undefined) return ALL_ZONES
    return names.reduce((bits, name) => {
      const index = this.#world.zones.findIndex((zone) => zone.name === name)
      if (index < 0) throw new Error(`the simulated world has no zone ${name}`)
      if (index >= MAX_NAMED_ZONES)
        throw new Error(`a token of the simulated world names no more than ${MAX_NAMED_ZONES} zones`)
      return bits | (1 << index)
    }, 0)
  }

  #mac(kind: TokenKind, body: Buffer): Buffer {
    return createHmac('sha256', this.#secret).update(kind).update(body).digest().subarray(0, MAC_BYTES)
  }
}
