import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto'
import type { Mode, WorldAccount } from './world.ts'

const FIGURES = ['balance_transaction_source_read', 'subscription_read', 'coupon_read'] as const
/** What a restricted key may do, in Stripe's own names of permissions. A key holds its place in this list. */
export const KEY_SCOPES = {
  read: [...FIGURES, 'accounts_kyc_basic_read'],
  /** All that the figures take, but not whose account it is. */
  figures_only: FIGURES,
  nothing: [],
  writes: [...FIGURES, 'accounts_kyc_basic_read', 'charge_write', 'refund_write'],
  balance_only: ['balance_transaction_source_read', 'accounts_kyc_basic_read'],
  no_coupons: ['balance_transaction_source_read', 'subscription_read', 'accounts_kyc_basic_read'],
  read_with_events: [...FIGURES, 'accounts_kyc_basic_read', 'event_read'],
} as const
export type KeyScope = keyof typeof KEY_SCOPES
export const KEY_SCOPE_NAMES = [
  'read',
  'figures_only',
  'nothing',
  'writes',
  'balance_only',
  'no_coupons',
  'read_with_events',
] as const satisfies readonly KeyScope[]

export type KeyRequest = {
  /** Its place among the world's accounts. */
  readonly account: number
  readonly scope: KeyScope
  readonly mode: Mode
}
export type Grant = {
  readonly account: WorldAccount
  readonly mode: Mode
  readonly permissions: ReadonlySet<string>
}

const NONCE_BYTES = 16
const BODY_BYTES = NONCE_BYTES + 2
const MAC_BYTES = 16

/** A key is its own record, and so survives a restart: nonce, account, scope and a MAC under the simulator's secret. */
export class KeyOffice {
  readonly #secret: Buffer
  readonly #accounts: readonly WorldAccount[]
  readonly #revoked = new Set<string>()

  constructor(secret: Buffer, accounts: readonly WorldAccount[]) {
    this.#secret = secret
    this.#accounts = accounts
  }

  issue({ account, scope, mode }: KeyRequest): string {
    const place = Buffer.from([account, KEY_SCOPE_NAMES.indexOf(scope)])
    const body = Buffer.concat([randomBytes(NONCE_BYTES), place])
    return `rk_${mode}_${Buffer.concat([body, this.#mac(mode, body)]).toString('hex')}`
  }

  revoke(key: string): void {
    this.#revoked.add(key)
  }

  judge(key: string): Grant | undefined {
    const [, mode, hex = ''] = /^rk_(live|test)_([0-9a-f]+)$/.exec(key) ?? []
    if ((mode !== 'live' && mode !== 'test') || this.#revoked.has(key)) return undefined
    const bytes = Buffer.from(hex, 'hex')
    if (bytes.length !== BODY_BYTES + MAC_BYTES) return undefined
    const body = bytes.subarray(0, BODY_BYTES)
    if (!timingSafeEqual(this.#mac(mode, body), bytes.subarray(BODY_BYTES))) return undefined
    const account = this.#accounts[body.readUInt8(NONCE_BYTES)]
    const scope = KEY_SCOPE_NAMES[body.readUInt8(NONCE_BYTES + 1)]
    if (account === undefined || scope === undefined) return undefined
    return { account, mode, permissions: new Set(KEY_SCOPES[scope]) }
  }

  #mac(mode: Mode, body: Buffer): Buffer {
    return createHmac('sha256', this.#secret).update(`stripe ${mode}`).update(body).digest().subarray(0, MAC_BYTES)
  }
}
