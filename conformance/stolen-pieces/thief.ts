import { openContent } from '../../domain/audit/content.ts'
import type { SealedRow } from '../../domain/audit/row.ts'
import { KEY_BYTES } from '../../domain/envelope/primitives.ts'
import { deriveSubkey, openRecord, SALT_BYTES } from '../../domain/envelope/record.ts'
import { unwrapKey, type WrapContext } from '../../domain/envelope/wrap.ts'
import type { Found, Pieces } from './pieces.ts'

/** What came out: credentials in plain text, and the actions of audit rows that could be read. */
export type Loot = {
  readonly credentials: readonly string[]
  readonly actions: readonly string[]
  readonly tries: number
}
type Row = Found['row']
type Wrapped = { readonly row: Row; readonly wrapped: Uint8Array; readonly context: WrapContext }

/** Rows of a log that are tried with every value that could be a key. */
const TRIED_ROWS = 3

/**
 * A program that has all of Flarewatch's code and some of its pieces, and is after one tenant. In the place of a piece that is missing it
 * tries every value of the right length that lies anywhere in the others, whatever column it is in: a share that somebody kept as a hash, a
 * key under another name.
 */
export class Thief {
  readonly #pieces: Pieces
  readonly #tenantId: string
  readonly #values: readonly Uint8Array[]
  #tries = 0

  constructor(pieces: Pieces, tenantId: string) {
    this.#pieces = pieces
    this.#tenantId = tenantId
    const everything = [...pieces.dump, ...pieces.objects].flatMap(({ row }) => Object.values(row).flatMap(keysIn))
    this.#values = distinct([new Uint8Array(KEY_BYTES), ...pieces.keks.map(({ bytes }) => bytes), ...everything])
  }

  async open(): Promise<Loot> {
    const credentials = await this.#openRecords(await this.#unwrapAll(this.#dekWraps()))
    const actions = await this.#openContents(await this.#unwrapAll(this.#auditKeyWraps()))
    return { credentials, actions, tries: this.#tries }
  }

  #dekWraps(): Wrapped[] {
    return [
      ...this.#dumped('credentials').map((row) => ({
        row,
        wrapped: bytes(row.wrapped_dek),
        context: {
          purpose: 'credential-dek' as const,
          tenantId: this.#tenantId,
          credentialId: String(row.id),
          keyVersion: Number(row.dek_version),
        },
      })),
      ...this.#dumped('tenant_keys').map((row) => ({
        row,
        wrapped: bytes(row.wrapped_dek),
        context: { purpose: 'tenant-dek' as const, tenantId: this.#tenantId, keyVersion: Number(row.version) },
      })),
    ]
  }

  #auditKeyWraps(): Wrapped[] {
    return this.#dumped('audit_keys').map((row) => ({
      row,
      wrapped: bytes(row.wrapped_key),
      context: { purpose: 'audit-key' as const, tenantId: this.#tenantId, keyVersion: Number(row.version) },
    }))
  }

  /** Every wrap under every KEK with every share that he has, or that could be one. */
  async #unwrapAll(wraps: readonly Wrapped[]): Promise<Uint8Array[]> {
    const keys: Uint8Array[] = []
    for (const { row, wrapped, context } of wraps) {
      for (const bytes of this.#keks()) {
        for (const share of this.#shares()) {
          this.#tries += 1
          const kek = { version: Number(row.kek_version), bytes }
          const key = await unwrapKey({ kek, share, context, wrapped })
          if (key.ok) keys.push(key.value)
        }
      }
    }
    return keys
  }

  #keks(): readonly Uint8Array[] {
    const { keks } = this.#pieces
    return keks.length > 0 ? keks.map(({ bytes }) => bytes) : this.#values
  }

  #shares(): readonly Uint8Array[] {
    const shares = this.#kept('ledger').flatMap((row) => [row.audit_share, row.release_share].flatMap(keysIn))
    return shares.length > 0 ? shares : this.#values
  }

  async #openRecords(deks: readonly Uint8Array[]): Promise<string[]> {
    const opened: string[] = []
    for (const row of this.#dumped('credentials')) {
      const context = {
        tenantId: this.#tenantId,
        credentialId: String(row.id),
        dekVersion: Number(row.dek_version),
      }
      const [salt, sealed] = [bytes(row.salt), bytes(row.ciphertext)]
      const derived =
        salt.length === SALT_BYTES
          ? await Promise.all([...deks, ...this.#values].map((dek) => deriveSubkey({ dek, salt, context })))
          : []
      for (const subkey of [...derived, ...this.#values]) {
        this.#tries += 1
        const plaintext = await openRecord({ subkey, context, sealed })
        if (plaintext.ok) opened.push(new TextDecoder().decode(plaintext.value))
      }
    }
    return opened
  }

  /** Sealed rows lie in the dump and, for 35 days, in the ledger. */
  async #openContents(auditKeys: readonly Uint8Array[]): Promise<string[]> {
    const opened: string[] = []
    const rows = [...this.#dumped('audit_log'), ...this.#kept('rows')].slice(0, TRIED_ROWS)
    for (const row of rows.map((stored) => sealedRow(this.#tenantId, stored))) {
      for (const auditKey of [...auditKeys, ...this.#values]) {
        this.#tries += 1
        const content = await openContent({ auditKey, row })
        if (content.ok) opened.push(content.value.action)
      }
    }
    return opened
  }

  #dumped(table: string): Row[] {
    return this.#ofTenant(this.#pieces.dump, table)
  }

  #kept(table: string): Row[] {
    return this.#ofTenant(this.#pieces.objects, table)
  }

  #ofTenant(found: readonly Found[], table: string): Row[] {
    return found.filter((one) => one.table === table && one.row.tenant_id === this.#tenantId).map(({ row }) => row)
  }
}

function sealedRow(tenantId: string, row: Row): SealedRow {
  return {
    tenantId,
    rowId: String(row.row_id),
    keyVersion: Number(row.key_version),
    actorTag: bytes(row.actor_tag),
    actionTag: bytes(row.action_tag),
    targetTag: bytes(row.target_tag),
    sealed: bytes(row.sealed),
  }
}

function bytes(value: unknown): Uint8Array {
  return value instanceof Uint8Array ? Uint8Array.from(value) : new Uint8Array()
}

const BASE64URL_KEY = /^[A-Za-z0-9_-]{43}$/
const HEX_KEY = /^[0-9a-f]{64}$/

/** A value that could be a key: 32 bytes, as they are or as text. */
function keysIn(value: unknown): Uint8Array[] {
  if (value instanceof Uint8Array) return value.length === KEY_BYTES ? [Uint8Array.from(value)] : []
  if (typeof value !== 'string') return []
  if (BASE64URL_KEY.test(value)) return [new Uint8Array(Buffer.from(value, 'base64url'))]
  return HEX_KEY.test(value) ? [new Uint8Array(Buffer.from(value, 'hex'))] : []
}

function distinct(values: readonly Uint8Array[]): Uint8Array[] {
  return [...new Map(values.map((value) => [Buffer.from(value).toString('hex'), value])).values()]
}
