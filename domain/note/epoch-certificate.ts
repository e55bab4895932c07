import { sha256 } from '@noble/hashes/sha2.js'
import { epochOf, HASH_BYTES } from '../audit/row.ts'
import { concat, equalConstantTime, fromBase64, lengthPrefixed, toBase64, u64be, utf8 } from '../bytes.ts'
import { MerkleFrontier } from '../merkle/frontier.ts'
import { failure, type Result, success } from '../result.ts'
import { type Checkpoint, formatCheckpoint, originOf, parseCheckpoint } from './checkpoint.ts'

/**
 * What stays of one tenant's rows of one epoch when they are pruned (L5): a signed note whose text is a checkpoint of the tree
 * as it was at the epoch's end, under an origin of its own so that it is no receipt, and lines by which chain and tree go on.
 */
export type EpochCertificate = {
  /** `<log name>/<tenant id>/epoch/<YYYYMM>` (`epochOriginOf`). */
  readonly origin: string
  readonly epoch: number
  readonly firstSeq: number
  readonly lastSeq: number
  /** Hash of the row with seq = lastSeq, and its time in Unix milliseconds. */
  readonly lastHash: Uint8Array
  readonly lastAt: number
  /** Of the rows 1 to lastSeq, with the frontier that it is folded from. */
  readonly root: Uint8Array
  readonly frontier: readonly Uint8Array[]
  readonly receipts: ClosedReceipts
  /** Of the text of the tenant's certificate before this one; null for the first. */
  readonly previous: Uint8Array | null
  /** Unix milliseconds: when the run that made it was due. */
  readonly at: number
}

/** The receipts with a size from firstSeq to lastSeq: how many, and a digest over the size and root of each. */
export type ClosedReceipts = { readonly count: number; readonly digest: Uint8Array }

const RECEIPTS_LABEL = lengthPrefixed(utf8('flarewatch/epoch-receipts/v1'))
const ORIGIN_EPOCH = /\/epoch\/(\d{4}(?:0[1-9]|1[0-2]))$/
const NUMBER = /^(0|[1-9]\d{0,15})$/
const NO_PREVIOUS = 'none'

export function epochOriginOf(logName: string, tenantId: string, epoch: number): string {
  return `${originOf(logName, tenantId)}/epoch/${String(epoch).padStart(6, '0')}`
}

/** In ascending order of size. */
export function closeReceipts(
  receipts: Iterable<{ readonly size: number; readonly root: Uint8Array }>,
): ClosedReceipts {
  const digest = sha256.create().update(RECEIPTS_LABEL)
  let [count, last] = [0, 0]
  for (const { size, root } of receipts) {
    if (root.length !== HASH_BYTES || size <= last) throw new RangeError('receipts out of order')
    digest.update(concat(u64be(size), root))
    last = size
    count += 1
  }
  return { count, digest: digest.digest() }
}

/** Over the text, so that a note that is cosigned later stays the one that the next certificate names. */
export function hashCertificateText(text: string): Uint8Array {
  return sha256(utf8(text))
}

export function formatEpochCertificate(certificate: EpochCertificate): string {
  const { origin, lastSeq, root, lastHash, at, firstSeq, lastAt, frontier, receipts, previous } = certificate
  const lines = [
    `first-seq ${firstSeq}`,
    `rows ${lastSeq - firstSeq + 1}`,
    `last-at ${lastAt}`,
    `frontier ${frontier.map(toBase64).join(' ')}`,
    `receipts ${receipts.count} ${toBase64(receipts.digest)}`,
    `previous ${previous === null ? NO_PREVIOUS : toBase64(previous)}`,
  ]
  const checkpoint = formatCheckpoint({ origin, size: lastSeq, root, chainHead: lastHash, at })
  const text = `${checkpoint}${lines.join('\n')}\n`
  if (!parseEpochCertificate(text).ok) throw new RangeError('not an epoch certificate')
  return text
}

/** Refuses whatever contradicts itself: a certificate is what remains when the rows can no longer be asked. */
export function parseEpochCertificate(text: string): Result<EpochCertificate, 'certificate_malformed'> {
  const checkpoint = parseCheckpoint(text)
  if (!checkpoint.ok) return failure('certificate_malformed')
  const certificate = withFields(checkpoint.value, text.slice(0, -1).split('\n').slice(CHECKPOINT_LINES))
  return certificate !== null && isCoherent(certificate) ? success(certificate) : failure('certificate_malformed')
}

const CHECKPOINT_LINES = 5
const LINES = ['first-seq', 'rows', 'last-at', 'frontier', 'receipts', 'previous'] as const

/** All six lines in this order; further ones are passed over. */
function withFields(checkpoint: Checkpoint, lines: readonly string[]): EpochCertificate | null {
  const [first = '', count = '', last = '', hashes = '', closed = '', link = ''] = LINES.map((name, index) =>
    valueAfter(name, lines[index] ?? ''),
  )
  const epoch = ORIGIN_EPOCH.exec(checkpoint.origin)?.[1]
  const [firstSeq, rows, lastAt] = [parseNumber(first), parseNumber(count), parseNumber(last)]
  const [frontier, receipts, previous] = [parseHashes(hashes), parseReceipts(closed), parsePrevious(link)]
  if (epoch === undefined || firstSeq === null || lastAt === null) return null
  if (frontier === null || receipts === null || previous === null) return null
  const { origin, size: lastSeq, root, chainHead: lastHash, at } = checkpoint
  if (rows !== lastSeq - firstSeq + 1) return null
  const place = { origin, epoch: Number(epoch), firstSeq, lastSeq, lastHash, lastAt, at }
  return { ...place, root, frontier, receipts, previous: previous.hash }
}

function isCoherent(certificate: EpochCertificate): boolean {
  const { epoch, firstSeq, lastSeq, lastAt, root, frontier, receipts, previous } = certificate
  const rows = lastSeq - firstSeq + 1
  if (firstSeq < 1 || rows < 1 || receipts.count > rows) return false
  if ((previous === null) !== (firstSeq === 1) || epochOf(lastAt) !== epoch) return false
  const tree = MerkleFrontier.resume(lastSeq, frontier)
  return tree !== null && equalConstantTime(tree.root(), root)
}

function valueAfter(name: string, line: string): string {
  return line.startsWith(`${name} `) ? line.slice(name.length + 1) : ''
}

function parseReceipts(text: string): ClosedReceipts | null {
  const [first = '', second = '', ...others] = text.split(' ')
  const [count, digest] = [parseNumber(first), parseHash(second)]
  return count === null || digest === null || others.length > 0 ? null : { count, digest }
}

/** Null for what is neither a hash nor the word that stands for none. */
function parsePrevious(text: string): { readonly hash: Uint8Array | null } | null {
  if (text === NO_PREVIOUS) return { hash: null }
  const hash = parseHash(text)
  return hash === null ? null : { hash }
}

function parseHashes(text: string): Uint8Array[] | null {
  const hashes = text.split(' ').map(parseHash)
  const parsed = hashes.filter((hash) => hash !== null)
  return parsed.length === hashes.length ? parsed : null
}

function parseNumber(text: string): number | null {
  return NUMBER.test(text) && Number.isSafeInteger(Number(text)) ? Number(text) : null
}

function parseHash(text: string): Uint8Array | null {
  const hash = fromBase64(text)
  return hash.ok && hash.value.length === HASH_BYTES ? hash.value : null
}
