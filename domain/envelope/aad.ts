import { lengthPrefixed, u32be, utf8, uuidToBytes } from '../bytes.ts'

/** What each key and ciphertext is for: no two purposes share AAD, so nothing sealed for one opens as another (V3). */
const PURPOSES = {
  'tenant-dek': utf8('tenant-dek'),
  'credential-dek': utf8('credential-dek'),
  'audit-key': utf8('audit-key'),
  'backup-canary': utf8('backup-canary'),
  credential: utf8('credential'),
  'webhook-event': utf8('webhook-event'),
  'audit-row': utf8('audit-row'),
  'audit-tag': utf8('audit-tag'),
}
export type Purpose = keyof typeof PURPOSES

type Binding = {
  readonly purpose: Purpose
  readonly tenantId: string
  /** The credential, webhook event or audit row; null where the purpose concerns the tenant as a whole, written as an empty field. */
  readonly subjectId: string | null
  readonly keyVersion: number
  /** Wraps alone name it, so that re-wrapping under a newer KEK never touches ciphertext. */
  readonly kekVersion?: number
}

export function aadOf({ purpose, tenantId, subjectId, keyVersion, kekVersion }: Binding): Uint8Array {
  const subject = subjectId === null ? new Uint8Array() : uuidToBytes(subjectId)
  const fields = [PURPOSES[purpose], uuidToBytes(tenantId), subject, u32be(keyVersion)]
  return lengthPrefixed(...fields, ...(kekVersion === undefined ? [] : [u32be(kekVersion)]))
}
