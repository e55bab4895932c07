import { createHash, createPrivateKey, sign } from 'node:crypto'

/**
 * What an outsider computes about an audit log, by plain code from docs/formats.md: whoever forges a log has no use for our domain,
 * and its bugs must not forgive each other here.
 */
export type HashedFields = {
  readonly seq: number
  readonly row_id: string
  /** Milliseconds. */
  readonly at: number
  readonly epoch: number
  readonly key_version: number
  readonly previous_hash: Uint8Array
  readonly actor_tag: Uint8Array
  readonly action_tag: Uint8Array
  readonly target_tag: Uint8Array
  readonly sealed: Uint8Array
}

export function hashRow(tenantId: string, row: HashedFields): Buffer {
  const numbers = Buffer.alloc(12)
  numbers.writeUInt32BE(row.epoch, 0)
  numbers.writeBigUInt64BE(BigInt(row.seq), 4)
  const time = Buffer.alloc(12)
  time.writeBigUInt64BE(BigInt(row.at), 0)
  time.writeUInt32BE(row.key_version, 8)
  return sha256(
    lengthPrefixed(Buffer.from('flarewatch/audit-row/v1')),
    uuid(tenantId),
    numbers,
    uuid(row.row_id),
    time,
    row.previous_hash,
    row.actor_tag,
    row.action_tag,
    row.target_tag,
    lengthPrefixed(row.sealed),
  )
}

export function genesisHash(tenantId: string): Buffer {
  return sha256(lengthPrefixed(Buffer.from('flarewatch/audit-genesis/v1')), uuid(tenantId))
}

/** By the definition of RFC 9162 section 2.1.1, not by a frontier as the verifiers do. */
export function treeRoot(leaves: readonly Uint8Array[]): Buffer {
  const [first] = leaves
  if (first === undefined) return sha256()
  if (leaves.length === 1) return sha256(Buffer.of(0), first)
  let left = 1
  while (left * 2 < leaves.length) left *= 2
  return sha256(Buffer.of(1), treeRoot(leaves.slice(0, left)), treeRoot(leaves.slice(left)))
}

export type CheckpointFields = {
  readonly logName: string
  readonly tenantId: string
  /** Of every row from the first on. */
  readonly hashes: readonly Uint8Array[]
  /** RFC 3339 with milliseconds and `Z`. */
  readonly time: string
}

export function checkpointText({ logName, tenantId, hashes, time }: CheckpointFields): string {
  const head = Buffer.from(hashes.at(-1) ?? genesisHash(tenantId)).toString('base64')
  const root = treeRoot(hashes).toString('base64')
  return `${[`${logName}/${tenantId}`, hashes.length, root, `chain-head ${head}`, `time ${time}`].join('\n')}\n`
}

/** A C2SP signed note of one signature. `seed` is the 32 bytes of an Ed25519 key. */
export function signNote(text: string, keyName: string, seed: Uint8Array): string {
  // RFC 8410: the fixed beginning of an Ed25519 key in PKCS #8; its 32 bytes follow.
  const der = Buffer.concat([Buffer.from('302e020100300506032b657004220420', 'hex'), seed])
  const key = createPrivateKey({ key: der, format: 'der', type: 'pkcs8' })
  const publicKey = Buffer.from(key.export({ format: 'jwk' }).x ?? '', 'base64url')
  const id = sha256(Buffer.from(`${keyName}\n`), Buffer.of(1), publicKey).subarray(0, 4)
  const signature = Buffer.concat([id, sign(null, Buffer.from(text), key)]).toString('base64')
  return `${text}\n— ${keyName} ${signature}\n`
}

function sha256(...parts: readonly Uint8Array[]): Buffer {
  return createHash('sha256').update(Buffer.concat(parts)).digest()
}

function lengthPrefixed(field: Uint8Array): Buffer {
  const length = Buffer.alloc(4)
  length.writeUInt32BE(field.length)
  return Buffer.concat([length, field])
}

function uuid(text: string): Buffer {
  return Buffer.from(text.replaceAll('-', ''), 'hex')
}
