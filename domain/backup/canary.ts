import { sha256 } from '@noble/hashes/sha2.js'
import { utf8 } from '../bytes.ts'
import type { WrapContext } from '../envelope/wrap.ts'

/**
 * A text that everybody knows, wrapped under a tenant's release share and the KEK at the time of a backup: share and KEK
 * that open it are the right ones, and it opens nothing else.
 */
export const CANARY = sha256(utf8('flarewatch backup canary'))

export function canaryContext(tenantId: string): WrapContext {
  return { purpose: 'backup-canary', tenantId, keyVersion: 1 }
}
