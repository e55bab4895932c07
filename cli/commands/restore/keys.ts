import { readFile, stat } from 'node:fs/promises'
import { type Backup, MAX_BACKUP_BYTES, parseBackup, type SealedTenant } from '../../../domain/backup/file.ts'
import { backupKeyId } from '../../../domain/backup/key.ts'
import { openFromBackup, sealForBackup } from '../../../domain/backup/seal.ts'
import { decodeSecrets, encodeShares, type LedgerSecrets, zeroizeShares } from '../../../domain/backup/shares.ts'
import { fromBase64Url, toBase64Url, zeroize } from '../../../domain/bytes.ts'
import type { TenantId } from '../../../domain/contracts/ids.ts'
import { type BackupKeyPair, readBackupKey } from '../../backup-key.ts'
import { type Answer, type Arguments, type Command, CommandRefused, EXIT } from '../../command.ts'
import { askOperatorDoor, OPERATOR_OPTIONS } from '../../operator.ts'
import { progress } from '../../progress.ts'
import { newestReceipt, RECEIPT_OPTIONS } from '../../receipts.ts'

type Outcome =
  | {
      readonly tenant_id: TenantId
      readonly ok: true
      readonly seq: number
      readonly receipt_size: number | null
      readonly canary: string
    }
  | { readonly tenant_id: TenantId; readonly ok: false; readonly code: string }

/**
 * V2: opens a backup here, with the private half, and hands each tenant's shares to its ledger, sealed to a key that the
 * ledger made for this one time: not the vault, and nothing in between, sees them. A ledger that lives is left alone.
 */
export const restoreKeys: Command = {
  usage: 'flarewatch restore keys FILE --key BACKUPKEY [--tenant T] [--gateway URL | --without-receipts] [--vault URL]',
  summary: 'operator: give lost ledgers their shares back from a backup, and see that they open',
  options: { key: { type: 'string' }, tenant: { type: 'string' }, ...OPERATOR_OPTIONS, ...RECEIPT_OPTIONS },
  positionals: 1,
  async run(args: Arguments) {
    const [path = ''] = args.positionals
    const key = await readBackupKey(args.values.key)
    try {
      const backup = await readBackup(path)
      if (backup.key_id !== backupKeyId(key.publicKey)) {
        throw new CommandRefused('backup_key_mismatch', `${path} is sealed to backup key ${backup.key_id}`)
      }
      return answerOf(backup, await restoreEach(args, backup, key))
    } finally {
      zeroize(key.privateKey)
    }
  },
}

async function readBackup(path: string): Promise<Backup> {
  const { size } = await stat(path).catch(() => {
    throw new CommandRefused('file_unreadable', `${path} cannot be read`)
  })
  const backup = size > MAX_BACKUP_BYTES ? TOO_LARGE : parseBackup(await readFile(path))
  if (backup.ok) return backup.value
  throw new CommandRefused(backup.code, `${path} is not a whole backup: ${backup.code}. Nothing was restored`)
}
const TOO_LARGE = { ok: false, code: 'backup_malformed' } as const

async function restoreEach(args: Arguments, backup: Backup, key: BackupKeyPair): Promise<Outcome[]> {
  const { tenant } = args.values
  const chosen = backup.sealed.filter(({ tenant_id }) => tenant === undefined || tenant_id === tenant)
  if (chosen.length === 0) throw new CommandRefused('tenant_unknown', 'The backup holds no such tenant')
  const told = progress('tenants', chosen.length)
  const outcomes: Outcome[] = []
  for (const line of chosen) {
    const outcome = await restoreOne(args, backup, line, key).catch((error: unknown): Outcome => {
      if (!(error instanceof CommandRefused)) throw error
      return { tenant_id: line.tenant_id, ok: false, code: error.code }
    })
    told.note(`${line.tenant_id}: ${outcome.ok ? `ok, goes on from row ${outcome.seq}` : outcome.code}`)
    told.step()
    outcomes.push(outcome)
  }
  return outcomes
}

async function restoreOne(args: Arguments, backup: Backup, line: SealedTenant, key: BackupKeyPair): Promise<Outcome> {
  const { tenant_id, canary } = line
  const receipt = await newestReceipt(args, tenant_id)
  const secrets = await openLine(backup, line, key)
  try {
    const offer = await askOperatorDoor(args, 'restore-offer', { tenant_id })
    const sealed = await sealToOffer(tenant_id, offer, secrets)
    const {
      seq,
      receipt_size,
      canary: proof,
    } = await askOperatorDoor(args, 'restore-tenant', {
      tenant_id,
      offer_id: offer.offer_id,
      sealed: toBase64Url(sealed),
      backup_id: backup.backup_id,
      seq: secrets.seq,
      hash: toBase64Url(secrets.hash),
      birth_hash: toBase64Url(secrets.birthHash),
      canary: canary === null ? null : { ...canary, wrapped: toBase64Url(canary.wrapped) },
      receipt,
    })
    return { tenant_id, ok: true, seq, receipt_size, canary: proof }
  } finally {
    zeroizeShares(secrets.shares)
  }
}

async function openLine(
  { backup_id }: Backup,
  { tenant_id, sealed }: SealedTenant,
  { privateKey }: BackupKeyPair,
): Promise<LedgerSecrets> {
  const context = { purpose: 'tenant-shares', tenantId: tenant_id, backupId: backup_id } as const
  const opened = await openFromBackup({ privateKey, context, sealed })
  if (!opened.ok) throw new CommandRefused(opened.code, 'The line of this tenant does not open')
  const secrets = decodeSecrets(opened.value)
  zeroize(opened.value)
  if (secrets.ok) return secrets.value
  throw new CommandRefused(secrets.code, 'The line of this tenant is of another format')
}

async function sealToOffer(
  tenantId: TenantId,
  { offer_id, public_key }: { readonly offer_id: string; readonly public_key: string },
  { shares }: LedgerSecrets,
): Promise<Uint8Array> {
  const publicKey = fromBase64Url(public_key)
  if (!publicKey.ok) throw new CommandRefused('answer_invalid', 'The vault answered with something other than a key')
  const plaintext = encodeShares(shares)
  const context = { purpose: 'restored-shares', tenantId, offerId: offer_id } as const
  try {
    return await sealForBackup({ publicKey: publicKey.value, context, plaintext })
  } finally {
    zeroize(plaintext)
  }
}

function answerOf({ backup_id, missing }: Backup, tenants: readonly Outcome[]): Answer {
  const restored = tenants.filter(({ ok }) => ok).length
  const ok = restored === tenants.length
  const lines = tenants.map((outcome) =>
    outcome.ok
      ? `  ok      ${outcome.tenant_id} from row ${outcome.seq}`
      : `  failed  ${outcome.tenant_id}: ${outcome.code}`,
  )
  const absent = missing.map(({ tenant_id, missing: code }) => `  absent  ${tenant_id}: the backup says ${code}`)
  return {
    document: { ok, backup_id, restored, tenants, absent: missing },
    text: [`${restored} of ${tenants.length} tenants restored`, ...lines, ...absent].join('\n'),
    exit: ok ? EXIT.ok : EXIT.failed,
  }
}
