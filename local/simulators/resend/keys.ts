import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto'

/** Resend knows these two, and none that can only read. A key holds its place in this list. */
export const PERMISSIONS = ['full_access', 'sending_access'] as const
export type Permission = (typeof PERMISSIONS)[number]

const NONCE_BYTES = 4
const MAC_BYTES = 11
const KEY = /^re_([0-9a-f]{8})_([0-9a-f]{24})$/

/** A key is its own record: nonce, permission and a MAC under the simulator's secret, in the length of a real one. */
export class KeyOffice {
  readonly #secret: Buffer
  readonly #revoked = new Set<string>()

  constructor(secret: Buffer) {
    this.#secret = secret
  }

  issue(permission: Permission): string {
    const nonce = randomBytes(NONCE_BYTES)
    const body = Buffer.from([PERMISSIONS.indexOf(permission)])
    return `re_${nonce.toString('hex')}_${Buffer.concat([body, this.#mac(nonce, body)]).toString('hex')}`
  }

  revoke(key: string): void {
    this.#revoked.add(key)
  }

  judge(key: string): Permission | undefined {
    const [, nonce = '', rest = ''] = KEY.exec(key) ?? []
    if (nonce === '' || this.#revoked.has(key)) return undefined
    const bytes = Buffer.from(rest, 'hex')
    const body = bytes.subarray(0, 1)
    const isOurs = timingSafeEqual(this.#mac(Buffer.from(nonce, 'hex'), body), bytes.subarray(1))
    return isOurs ? PERMISSIONS[body.readUInt8(0)] : undefined
  }

  #mac(nonce: Buffer, body: Buffer): Buffer {
    return createHmac('sha256', this.#secret)
      .update('resend')
      .update(nonce)
      .update(body)
      .digest()
      .subarray(0, MAC_BYTES)
  }
}
