import { sha256 } from '@noble/hashes/sha2.js'
import { HASH_BYTES } from '../audit/row.ts'
import { concat, fromBase64, lengthPrefixed, toBase64, utf8 } from '../bytes.ts'
import type { KeyInventory } from '../contracts/shredding.ts'
import { failure, type Result, success } from '../result.ts'
import { isKeyName } from './keys.ts'

/** What the log's key vouches for when a tenant has been deleted, as the text of a signed note. */
export type ShreddingCertificate = {
  /** `<log name>/<tenant id>/shredding` (`shreddingOriginOf`): never that of a checkpoint. */
  readonly origin: string
  /** When both shares were destroyed. Unix milliseconds. */
  readonly at: number
  /** From then on no backup holds them. Unix milliseconds. */
  readonly backupsUntil: number
  /** The chain's last row, which is the deletion. */
  readonly lastSeq: number
  readonly chainHead: Uint8Array
  /** Of the tree of all rows. */
  readonly root: Uint8Array
  readonly releaseShare: Uint8Array
  readonly auditShare: Uint8Array
  readonly inventory: KeyInventory
}

const SHARE_LABEL = utf8('flarewatch/share-check/v1')
const COUNT = '(0|[1-9]\\d{0,15})'
const TIME = '(\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\d\\.\\d{3}Z)'
const HASH = '([A-Za-z0-9+/]{43}=)'
const HEAD = new RegExp(
  `^(.+)\\nshredded ${TIME}\\nbackups-until ${TIME}\\nlast-row ${COUNT} ${HASH}\\nroot ${HASH}\\nrelease-share ${HASH}\\naudit-share ${HASH}\\n`,
)
const WRAP = new RegExp(`^(dek|audit-key) ${COUNT} kek ${COUNT} ${HASH}$`)
const CREDENTIALS = new RegExp(`^credentials ${COUNT} ${HASH}$`)
const MAX_CHARACTERS = 8192

export function shreddingOriginOf(logName: string, tenantId: string): string {
  return `${logName}/${tenantId}/shredding`
}

/** Names a share without telling it: 32 random bytes cannot be guessed from their hash. */
export function shareCheckValue(share: Uint8Array): Uint8Array {
  return sha256(concat(lengthPrefixed(SHARE_LABEL), lengthPrefixed(share)))
}

export function formatShredding(certificate: ShreddingCertificate): string {
  const { origin, at, backupsUntil, lastSeq, chainHead, root, releaseShare, auditShare, inventory } = certificate
  const lines = [
    origin,
    `shredded ${new Date(at).toISOString()}`,
    `backups-until ${new Date(backupsUntil).toISOString()}`,
    `last-row ${lastSeq} ${toBase64(chainHead)}`,
    `root ${toBase64(root)}`,
    `release-share ${toBase64(releaseShare)}`,
    `audit-share ${toBase64(auditShare)}`,
    ...inventory.deks.map(({ version, kek_version, wrap }) => `dek ${version} kek ${kek_version} ${wrap}`),
    ...inventory.audit_keys.map(({ version, kek_version, wrap }) => `audit-key ${version} kek ${kek_version} ${wrap}`),
    `credentials ${inventory.credentials.count} ${inventory.credentials.wraps}`,
  ]
  const text = `${lines.join('\n')}\n`
  if (!parseShredding(text).ok) throw new RangeError('not a shredding certificate')
  return text
}

/** Every line is known and in its place: a certificate that says more than we can read is not one of ours. */
export function parseShredding(text: string): Result<ShreddingCertificate, 'certificate_malformed'> {
  const head = text.length > MAX_CHARACTERS ? null : HEAD.exec(text)
  if (head === null || !text.endsWith('\n')) return failure('certificate_malformed')
  const [whole, origin = '', at = '', backupsUntil = '', lastSeq = '', ...hashes] = head
  const [chainHead, root, releaseShare, auditShare] = hashes.map(hashOf)
  const inventory = parseInventory(text.slice(whole.length, -1).split('\n'))
  const times = [at, backupsUntil].map(timeOf)
  const [shreddedAt, until] = times
  if (!isKeyName(origin) || !Number.isSafeInteger(Number(lastSeq))) return failure('certificate_malformed')
  if (shreddedAt === undefined || until === undefined || times.some(Number.isNaN))
    return failure('certificate_malformed')
  if (!chainHead || !root || !releaseShare || !auditShare || inventory === null) return failure('certificate_malformed')
  const proven = { lastSeq: Number(lastSeq), chainHead, root, releaseShare, auditShare, inventory }
  return success({ origin, at: shreddedAt, backupsUntil: until, ...proven })
}

function parseInventory(lines: readonly string[]): KeyInventory | null {
  const last = CREDENTIALS.exec(lines.at(-1) ?? '')
  const wraps = lines.slice(0, -1).map((line) => WRAP.exec(line))
  if (last === null || !wraps.every((wrap) => wrap !== null)) return null
  const named = wraps.map(([, kind, version, kekVersion, wrap = '']) => ({
    kind,
    name: { version: Number(version), kek_version: Number(kekVersion), wrap },
  }))
  const firstAuditKey = named.findIndex(({ kind }) => kind === 'audit-key')
  const deks = firstAuditKey < 0 ? named : named.slice(0, firstAuditKey)
  const auditKeys = firstAuditKey < 0 ? [] : named.slice(firstAuditKey)
  if (auditKeys.some(({ kind }) => kind !== 'audit-key')) return null
  const [, count, digest = ''] = last
  return {
    deks: deks.map(({ name }) => name),
    audit_keys: auditKeys.map(({ name }) => name),
    credentials: { count: Number(count), wraps: digest },
  }
}

function hashOf(text: string): Uint8Array | null {
  const hash = fromBase64(text)
  return hash.ok && hash.value.length === HASH_BYTES ? hash.value : null
}

/** One instant has one text; NaN for a date that there is not. */
function timeOf(text: string): number {
  const at = Date.parse(text)
  return !Number.isNaN(at) && new Date(at).toISOString() === text ? at : Number.NaN
}
