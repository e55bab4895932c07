import { sha256 } from '@noble/hashes/sha2.js'
import { z } from 'zod'
import { fromBase64Url, toBase64Url, utf8 } from '../bytes.ts'
import { AuditRowId, TenantId } from '../contracts/ids.ts'
import { WRAPPED_BYTES } from '../envelope/wrap.ts'
import { HPKE_OVERHEAD_BYTES } from '../hpke.ts'
import { failure, type Result, success } from '../result.ts'

/** One file of lines: a header, a line for each tenant of the roster, and a digest of all bytes before it. */
const FORMAT = 'flarewatch-backup'
const VERSION = 1
const DIGEST_BYTES = 32
const MAX_SEALED_BYTES = HPKE_OVERHEAD_BYTES + 1024
/** Some 500,000 tenants. */
export const MAX_BACKUP_BYTES = 256 * 1024 * 1024

const encoded = (least: number, most: number) =>
  z.string().transform((text, context): Uint8Array => {
    const bytes = fromBase64Url(text)
    if (bytes.ok && bytes.value.length >= least && bytes.value.length <= most) return bytes.value
    context.addIssue({ code: 'custom', message: 'not base64url of the expected length' })
    return z.NEVER
  })

const Header = z.strictObject({
  format: z.literal(FORMAT),
  version: z.literal(VERSION),
  backup_id: z.uuid().lowercase(),
  key_id: z.string().regex(/^[0-9a-f]{16}$/),
  created_at: z.iso.datetime(),
  tenants: z.int().nonnegative(),
})
const Sealed = z.strictObject({
  tenant_id: TenantId,
  /** The row that the backup left in the tenant's chain. */
  row_id: AuditRowId,
  sealed: encoded(HPKE_OVERHEAD_BYTES + 1, MAX_SEALED_BYTES),
  /** A known text, wrapped under KEK and release share. Null where a frozen tenant gave no share. */
  canary: z
    .strictObject({ kek_version: z.int().positive(), wrapped: encoded(WRAPPED_BYTES, WRAPPED_BYTES) })
    .nullable(),
})
/** A tenant of the roster that this backup does not hold, and why. */
const Missing = z.strictObject({ tenant_id: TenantId, missing: z.string().regex(/^[a-z][a-z0-9_]{0,63}$/) })
const Closing = z.strictObject({ sha256: encoded(DIGEST_BYTES, DIGEST_BYTES) })

export type BackupHeader = Omit<z.output<typeof Header>, 'format' | 'version'>
export type SealedTenant = z.output<typeof Sealed>
export type MissingTenant = z.output<typeof Missing>
export type Backup = BackupHeader & {
  readonly sealed: readonly SealedTenant[]
  readonly missing: readonly MissingTenant[]
}
export type BackupFault = 'backup_malformed' | 'backup_truncated' | 'backup_digest_mismatch' | 'backup_count_mismatch'

/** Writes the lines in order. The digest tells a damaged file from a whole one; what is sealed needs none. */
export class BackupWriter {
  readonly #digest = sha256.create()

  header(header: BackupHeader): string {
    return this.#line({ format: FORMAT, version: VERSION, ...header })
  }

  sealed({ canary, sealed, ...plain }: SealedTenant): string {
    const told = canary === null ? null : { ...canary, wrapped: toBase64Url(canary.wrapped) }
    return this.#line({ ...plain, sealed: toBase64Url(sealed), canary: told })
  }

  missing(tenant: MissingTenant): string {
    return this.#line(tenant)
  }

  closing(): string {
    return `${JSON.stringify({ sha256: toBase64Url(this.#digest.digest()) })}\n`
  }

  #line(fields: object): string {
    const line = `${JSON.stringify(fields)}\n`
    this.#digest.update(utf8(line))
    return line
  }
}

/** Reads a whole file or none of it: nothing is restored from one that was cut or changed. */
export function parseBackup(bytes: Uint8Array): Result<Backup, BackupFault> {
  if (bytes.at(-1) !== NEWLINE) return failure('backup_truncated')
  const lines = linesOf(bytes)
  if (lines === null) return failure('backup_malformed')
  const [first, ...others] = lines
  const header = Header.safeParse(first?.json)
  if (!header.success) return failure('backup_malformed')
  const last = others.pop()
  const closing = Closing.safeParse(last?.json)
  if (!closing.success || last === undefined) return failure('backup_truncated')
  const digest = toBase64Url(sha256(bytes.subarray(0, last.start)))
  if (digest !== toBase64Url(closing.data.sha256)) return failure('backup_digest_mismatch')
  const { format: _, version: __, ...told } = header.data
  return collect(
    told,
    others.map(({ json }) => json),
  )
}

function collect(header: BackupHeader, lines: readonly unknown[]): Result<Backup, BackupFault> {
  const sealed: SealedTenant[] = []
  const missing: MissingTenant[] = []
  for (const line of lines) {
    const tenant = z.union([Sealed, Missing]).safeParse(line)
    if (!tenant.success) return failure('backup_malformed')
    if ('missing' in tenant.data) missing.push(tenant.data)
    else sealed.push(tenant.data)
  }
  const tenants = new Set([...sealed, ...missing].map(({ tenant_id }) => tenant_id))
  const isComplete = header.tenants === lines.length && tenants.size === lines.length
  return isComplete ? success({ ...header, sealed, missing }) : failure('backup_count_mismatch')
}

type Line = { readonly json: unknown; readonly start: number }
const NEWLINE = 0x0a

/** Null when a line is not JSON in UTF-8. */
function linesOf(bytes: Uint8Array): Line[] | null {
  const lines: Line[] = []
  for (let start = 0; start < bytes.length; ) {
    const end = bytes.indexOf(NEWLINE, start)
    try {
      const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes.subarray(start, end))
      lines.push({ json: JSON.parse(text), start })
    } catch {
      return null
    }
    start = end + 1
  }
  return lines
}
