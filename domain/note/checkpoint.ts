import { HASH_BYTES } from '../audit/row.ts'
import { fromBase64, toBase64 } from '../bytes.ts'
import { failure, type Result, success } from '../result.ts'
import { isKeyName } from './keys.ts'

/** C2SP tlog-checkpoint: what a receipt says of one tenant's log, as the text of a signed note. */
export type Checkpoint = {
  /** `<log name>/<tenant id>` (`originOf`). */
  readonly origin: string
  /** How many rows the tree covers: those with seq 1 to size. */
  readonly size: number
  readonly root: Uint8Array
  /** Hash of the row with seq = size; of the genesis when empty. */
  readonly chainHead: Uint8Array
  /** Unix milliseconds. */
  readonly at: number
}

const SIZE = /^(0|[1-9]\d{0,15})$/
const CHAIN_HEAD_PREFIX = 'chain-head '
const TIME_PREFIX = 'time '
const MAX_CHECKPOINT_CHARACTERS = 16_384
const MAX_TIME = Date.UTC(10_000, 0) - 1

export function originOf(logName: string, tenantId: string): string {
  return `${logName}/${tenantId}`
}

export function formatCheckpoint({ origin, size, root, chainHead, at }: Checkpoint): string {
  const time = new Date(at).toISOString()
  const lines = [origin, size, toBase64(root), CHAIN_HEAD_PREFIX + toBase64(chainHead), TIME_PREFIX + time]
  const text = `${lines.join('\n')}\n`
  if (!parseCheckpoint(text).ok) throw new RangeError('not a checkpoint')
  return text
}

/** Both extension lines are required, in this order; further ones are passed over, as tlog-checkpoint demands. */
export function parseCheckpoint(text: string): Result<Checkpoint, 'checkpoint_malformed'> {
  if (text.length > MAX_CHECKPOINT_CHARACTERS || !text.endsWith('\n')) return failure('checkpoint_malformed')
  const lines = text.slice(0, -1).split('\n')
  const [origin = '', size = '', root = '', chainHead = '', time = ''] = lines
  const parsed = {
    root: parseHash(root),
    chainHead: chainHead.startsWith(CHAIN_HEAD_PREFIX) ? parseHash(chainHead.slice(CHAIN_HEAD_PREFIX.length)) : null,
    at: time.startsWith(TIME_PREFIX) ? parseTime(time.slice(TIME_PREFIX.length)) : null,
  }
  if (!isKeyName(origin) || !SIZE.test(size) || lines.includes('')) return failure('checkpoint_malformed')
  if (!Number.isSafeInteger(Number(size)) || parsed.root === null || parsed.chainHead === null || parsed.at === null) {
    return failure('checkpoint_malformed')
  }
  return success({ origin, size: Number(size), root: parsed.root, chainHead: parsed.chainHead, at: parsed.at })
}

function parseHash(text: string): Uint8Array | null {
  const hash = fromBase64(text)
  return hash.ok && hash.value.length === HASH_BYTES ? hash.value : null
}

/** One instant has one text: RFC 3339 in UTC with milliseconds. */
function parseTime(text: string): number | null {
  const at = Date.parse(text)
  if (!Number.isSafeInteger(at) || at < 0 || at > MAX_TIME) return null
  return new Date(at).toISOString() === text ? at : null
}
