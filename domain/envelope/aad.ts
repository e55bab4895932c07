import { lengthPrefixed, u32be, utf8, uuidToBytes } from '../bytes.ts'

/** What each key and ciphertext is for: no two purposes share AAD, so nothing sealed for one opens as another (V3). */
export type Purpose =
  | 'tenant-dek'
  | 'credential-dek'
  | 'audit-key'
  | 'backup-canary'
  | 'credential'
  | 'audit-row'
  | 'audit-tag'

type Binding = {
  readonly purpose: Purpose
  readonly tenantId: string
  /** The credential or audit row; null where the purpose concerns the tenant as a whole, written as an empty field. */
  readonly subjectId: string | null
  readonly keyVersion: number
  /** Wraps alone name it, so that re-wrapping under a newer KEK never touches ciphertext. */
  readonly kekVersion?: number
}

export function aadOf({ purpose, tenantId, subjectId, keyVersion, kekVersion }: Binding): Uint8Array {
  const subject = subjectId === null ? new Uint8Array() : uuidToBytes(subjectId)
  const fields = [utf8(purpose), uuidToBytes(tenantId), subject, u32be(keyVersion)]
  return lengthPrefixed(...fields, ...(kekVersion === undefined ? [] : [u32be(kekVersion)]))
}
