import type { z } from 'zod'
import { fromBase64 } from '../../../domain/bytes.ts'
import { AuditProofResponse } from '../../../domain/contracts/api.ts'
import { hashLeaf, verifyInclusion } from '../../../domain/merkle/tree.ts'
import { type Checkpoint, parseCheckpoint } from '../../../domain/note/checkpoint.ts'
import { unverifiedText } from '../../../domain/note/signed-note.ts'
import { answeringChallenge } from '../../challenge.ts'
import { type Arguments, type Command, CommandRefused, EXIT } from '../../command.ts'
import { fetchJson } from '../../http.ts'
import { openCheckpoint, pinCheckpoint } from '../../pins.ts'
import { asUser, chosenTenant, currentSession } from '../../session.ts'
import { type Trust, trustFor } from '../../trust.ts'

type Proof = z.output<typeof AuditProofResponse>
const ROW = /^([1-9]\d{0,14}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12})$/
const SIZE = /^[1-9]\d{0,14}$/

/** L6: that one row is in the log that the trusted key signed, and that this log has only grown since it was last seen from here. */
export const auditProve: Command = {
  usage: 'flarewatch audit prove ROW [--tenant T] [--size N] [--trust VKEY]',
  summary: 'check that a row, by number or id, is in the signed log',
  options: { tenant: { type: 'string' }, size: { type: 'string' }, trust: { type: 'string' } },
  positionals: 1,
  async run({ dir, values, positionals }: Arguments) {
    const row = matching(positionals[0], ROW, 'ROW is a sequence number or a row id')
    const size = values.size === undefined ? null : matching(values.size, SIZE, '--size is a number of rows')
    const session = await currentSession(dir)
    const tenantId = await chosenTenant(session, values.tenant)
    const gatewayUrl = session.gateway_url
    const url = `${gatewayUrl}/api/audit/rows/${row}/proof${size === null ? '' : `?size=${size}`}`
    const proof = await answeringChallenge(dir, (user) =>
      fetchJson(url, { headers: asUser(user, tenantId) }, AuditProofResponse),
    )
    const trust = trustFor(values.trust, { dir, tenantId, gatewayUrl })
    const checkpoint = await checkpointOf(proof, trust, tenantId)
    requireIncluded(row, proof, checkpoint)
    const isNewest = size === null
    const pinning = { dir, tenantId, gatewayUrl, note: proof.checkpoint, isNewest }
    const seen = trust === null ? null : await pinCheckpoint({ ...pinning, trust })
    return answerOf(proof, checkpoint, seen === null ? null : { previousSize: seen.previousSize })
  },
}

function matching(value: string | boolean | undefined, pattern: RegExp, usage: string): string {
  if (typeof value === 'string' && pattern.test(value)) return value
  throw new CommandRefused('usage', usage, EXIT.usage)
}

/** Without a trusted key the proof is still checked against the tree that the note states, and nobody vouches for that. */
async function checkpointOf({ checkpoint }: Proof, trust: Trust | null, tenantId: string): Promise<Checkpoint> {
  if (trust !== null) return openCheckpoint(checkpoint, trust, tenantId)
  const text = unverifiedText(checkpoint)
  const parsed = text.ok ? parseCheckpoint(text.value) : text
  if (!parsed.ok) throw new CommandRefused(parsed.code, 'The checkpoint cannot be read')
  return parsed.value
}

/** Size and root are taken from the checkpoint alone; what the answer says beside it counts for nothing. */
function requireIncluded(row: string, proof: Proof, { size, root }: Checkpoint): void {
  if (row !== String(proof.seq) && row !== proof.row_id) {
    throw new CommandRefused('row_mismatch', 'The answer is about another row')
  }
  const [hash, ...path] = [proof.row_hash, ...proof.proof].map((encoded) => fromBase64(encoded))
  const hashes = path.flatMap((decoded) => (decoded.ok ? [decoded.value] : []))
  const included =
    hash?.ok === true &&
    hashes.length === path.length &&
    verifyInclusion({ index: proof.seq - 1, size, leafHash: hashLeaf(hash.value), proof: hashes, root })
  if (!included) throw new CommandRefused('not_included', `Row ${proof.seq} is not in the signed log of ${size} rows`)
}

function answerOf(proof: Proof, { size, at }: Checkpoint, seen: { readonly previousSize: number | null } | null) {
  const anchored = seen !== null
  const signed = new Date(at).toISOString()
  const since = seen?.previousSize ?? null
  const vouched = anchored ? 'signed by the key that you trust' : 'but no trusted key was given: --trust VKEY'
  const grown = since === null ? '' : `; nothing changed in the ${Math.min(since, size)} rows seen from here before`
  return {
    document: {
      ok: true,
      seq: proof.seq,
      row_id: proof.row_id,
      row_hash: proof.row_hash,
      size,
      signed_at: signed,
      anchored,
      previous_size: since,
      pruned: proof.pruned,
    },
    text: `Row ${proof.seq} is in the log of ${size} rows of ${signed}, ${vouched}${grown}${prunedText(proof)}`,
    exit: anchored ? EXIT.ok : EXIT.unanchored,
  }
}

function prunedText({ pruned }: Proof): string {
  if (pruned === null) return ''
  return `\nRows 1 to ${pruned.through_seq} were pruned under the certificate ${pruned.url}`
}
