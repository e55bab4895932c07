import { z } from 'zod'
import { equalConstantTime } from '../../domain/bytes.ts'
import { BACKUP_WINDOW_MS } from '../../domain/contracts/backup-window.ts'
import type { Shredding } from '../../domain/contracts/durable-objects.ts'
import type { TenantId } from '../../domain/contracts/ids.ts'
import { shreddingKey } from '../../domain/contracts/receipt-store.ts'
import { formatShredding, parseShredding, shreddingOriginOf } from '../../domain/note/shredding.ts'
import { openNote, signNote } from '../../domain/note/signed-note.ts'
import type { Finding } from './finding.ts'
import type { Instruments } from './instruments.ts'
import type { Receipt, ReceiptSigner } from './receipt.ts'
import { newestReceipt } from './receipt-store.ts'
import type { KnownTenant } from './tenants.ts'
import type { Verdict } from './verdict.ts'

const Remains = z.object({ state: z.string(), keys: z.number(), note: z.string().nullable() })

/** A log that is sound so far stays so only where nothing of a deleted tenant's keys has come back. */
export async function heldToShredding(
  tools: Instruments,
  { tenantId, deletedAt }: KnownTenant,
  verdict: Verdict,
): Promise<Verdict> {
  if (deletedAt === null || (verdict.kind !== 'sound' && verdict.kind !== 'unmoved')) return verdict
  const finding = await certifyShredding(tools, tenantId)
  return finding === null ? verdict : { kind: 'finding', finding }
}

/**
 * A deleted tenant whose chain is sound: certified once nothing of its keys is left on either side and a receipt covers its last row,
 * and from then on held to that. Null while there is nothing to complain of, certified or not yet.
 */
async function certifyShredding(tools: Instruments, tenantId: TenantId): Promise<Finding | null> {
  const shredding = await tools.ledgerOf(tenantId).shredding()
  if (shredding === null) return undeleted('ledger')
  const [row] = await tools.sql`
    select t.state, flarewatch.keys_left(t.id) as keys, s.note
    from flarewatch.tenants t left join flarewatch.shreddings s on s.log = t.id where t.id = ${tenantId}`
  const { state, keys, note } = Remains.parse(row)
  if (note !== null) return keys === 0 ? null : undeleted('keys')
  if (state !== 'deleted') return null
  if (keys > 0) return undeleted('keys')
  const newest = await newestReceipt(tools.bucket, tenantId, tools.signer)
  if (newest === 'none' || newest === 'unreadable' || newest.receipt.size < shredding.seq) return null
  const { receipt } = newest
  if (receipt.size > shredding.seq || !equalConstantTime(receipt.chainHead, shredding.hash)) return undeleted('rows')
  await publish(tools, receipt, shredding)
  return null
}

/** Somebody brought back what was said to be gone. */
function undeleted(side: 'ledger' | 'keys' | 'rows'): Finding {
  return { kind: 'tenant_undeleted', seq: null, detail: { side } }
}

/** The bucket first, and once: a run that broke off in between finds what it signed and remembers that. */
async function publish(
  { sql, bucket, signer, at }: Instruments,
  receipt: Receipt,
  shredding: Shredding,
): Promise<void> {
  const key = shreddingKey(receipt.log)
  const signed = await sign(signer, receipt, shredding)
  const written = await bucket.put(key, signed, { onlyIf: { etagDoesNotMatch: '*' } })
  const standing = written === null ? await (await bucket.get(key))?.text() : signed
  if (standing === undefined || !(await isCertificate(standing, receipt.log, signer))) {
    throw new Error('what stands as shredding certificate is not ours')
  }
  await sql`
    insert into flarewatch.shreddings (log, note, at) values (${receipt.log}, ${standing}, ${at}) on conflict do nothing`
}

function sign({ signer, logName }: ReceiptSigner, { log, root }: Receipt, shredding: Shredding): Promise<string> {
  const { seq, hash, at, releaseShare, auditShare, inventory } = shredding
  const text = formatShredding({
    origin: shreddingOriginOf(logName, log),
    at,
    backupsUntil: at + BACKUP_WINDOW_MS,
    lastSeq: seq,
    chainHead: hash,
    root,
    releaseShare,
    auditShare,
    inventory,
  })
  return signNote(text, [signer])
}

async function isCertificate(note: string, log: TenantId, { signer, logName }: ReceiptSigner): Promise<boolean> {
  const opened = await openNote(note, [signer])
  const parsed = opened.ok ? parseShredding(opened.value.text) : opened
  return parsed.ok && parsed.value.origin === shreddingOriginOf(logName, log)
}
