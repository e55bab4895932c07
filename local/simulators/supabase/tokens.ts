import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto'

/** What a simulated token may do, by Supabase's own names. A token holds its place in this list. */
export const TOKEN_PERMISSIONS = {
  classic: ['projects_read', 'database_read', 'analytics_logs_read'],
  read: ['projects_read', 'database_read', 'analytics_logs_read'],
  projects_alone: ['projects_read'],
  database_alone: ['database_read'],
  without_logs: ['projects_read', 'database_read'],
} as const satisfies Record<string, readonly Permission[]>
export type Permission = 'projects_read' | 'database_read' | 'analytics_logs_read'
export type TokenScope = keyof typeof TOKEN_PERMISSIONS
export const TOKEN_SCOPES = Object.keys(TOKEN_PERMISSIONS) as TokenScope[]

const PREFIX = 'sbp_'
/** With which a scoped token begins: 0xfc, as Supabase has it in letters. */
const SCOPED_BYTE = 0xfc
const NONCE_BYTES = 6
const BODY_BYTES = NONCE_BYTES + 1
const TOKEN_BYTES = 20

/** A token is its own record: nonce, scope and a MAC under the simulator's secret, in the length of a real one. */
export class TokenOffice {
  readonly #secret: Buffer
  readonly #revoked = new Set<string>()

  constructor(secret: Buffer) {
    this.#secret = secret
  }

  issue(scope: TokenScope): string {
    const body = Buffer.concat([randomBytes(NONCE_BYTES), Buffer.from([TOKEN_SCOPES.indexOf(scope)])])
    body.writeUInt8(scope === 'classic' ? 0x01 : SCOPED_BYTE, 0)
    return PREFIX + Buffer.concat([body, this.#mac(body)]).toString('hex')
  }

  revoke(token: string): void {
    this.#revoked.add(token)
  }

  judge(token: string): readonly Permission[] | undefined {
    const bytes = Buffer.from(token.slice(PREFIX.length), 'hex')
    if (!token.startsWith(PREFIX) || bytes.length !== TOKEN_BYTES || this.#revoked.has(token)) return undefined
    const body = bytes.subarray(0, BODY_BYTES)
    if (!timingSafeEqual(this.#mac(body), bytes.subarray(BODY_BYTES))) return undefined
    const scope = TOKEN_SCOPES[body.readUInt8(NONCE_BYTES)]
    return scope === undefined ? undefined : TOKEN_PERMISSIONS[scope]
  }

  #mac(body: Buffer): Buffer {
    const mac = createHmac('sha256', this.#secret).update('supabase').update(body).digest()
    return mac.subarray(0, TOKEN_BYTES - BODY_BYTES)
  }
}
