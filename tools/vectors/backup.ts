import { BackupWriter } from '../../domain/backup/file.ts'
import { backupKeyId, formatBackupPrivateKey, formatBackupPublicKey } from '../../domain/backup/key.ts'
import { type BackupContext, backupInfo, sealForBackupWithEphemeral } from '../../domain/backup/seal.ts'
import { encodeSecrets, encodeShares } from '../../domain/backup/shares.ts'
import { concat, toHex } from '../../domain/bytes.ts'
import { AuditRowId, TenantId } from '../../domain/contracts/ids.ts'
import { publicHalf } from '../../domain/hpke.ts'
import { fixedBytes, fixedUuid, OTHER_TENANT, TENANT } from './fixed.ts'

const BACKUP = fixedUuid('backup')
const PRIVATE_KEY = fixedBytes('backup private key')

export async function backupVectors() {
  const publicKey = await backupPublicKey()
  const shares = { audit: fixedBytes('audit share'), release: fixedBytes('release share') }
  const secrets = { shares, seq: 41, hash: fixedBytes('head'), birthHash: fixedBytes('birth') }
  const sealed = [
    seal({ purpose: 'tenant-shares', tenantId: TENANT, backupId: BACKUP }, encodeSecrets(secrets), publicKey),
    seal({ purpose: 'retired-kek', kekVersion: 7 }, fixedBytes('kek 7'), publicKey),
    seal(
      { purpose: 'restored-shares', tenantId: TENANT, offerId: fixedUuid('offer') },
      encodeShares(shares),
      publicKey,
    ),
  ]
  return {
    comment: 'Bytes are hex. `ephemeral` is the input to DeriveKeyPair (RFC 9180 section 7.1.3). See docs/formats.md.',
    key: {
      private_key: toHex(PRIVATE_KEY),
      private_text: formatBackupPrivateKey(PRIVATE_KEY),
      public_key: toHex(publicKey),
      public_text: formatBackupPublicKey(publicKey),
      key_id: backupKeyId(publicKey),
    },
    secrets: {
      audit_share: toHex(shares.audit),
      release_share: toHex(shares.release),
      seq: secrets.seq,
      hash: toHex(secrets.hash),
      birth_hash: toHex(secrets.birthHash),
      bytes: toHex(encodeSecrets(secrets)),
    },
    sealed: await Promise.all(sealed),
    file: await fileLines(publicKey),
  }
}

async function backupPublicKey(): Promise<Uint8Array> {
  const half = await publicHalf(PRIVATE_KEY)
  if (!half.ok) throw new Error(half.code)
  return half.value
}

async function seal(context: BackupContext, plaintext: Uint8Array, publicKey: Uint8Array) {
  const ephemeral = fixedBytes(`ephemeral ${context.purpose}`)
  const sealed = await sealForBackupWithEphemeral({ publicKey, context, plaintext }, ephemeral)
  return {
    context,
    info: toHex(backupInfo(context)),
    ephemeral: toHex(ephemeral),
    plaintext: toHex(plaintext),
    sealed: toHex(sealed),
  }
}

async function fileLines(publicKey: Uint8Array): Promise<string[]> {
  const writer = new BackupWriter()
  const shares = { audit: fixedBytes('audit share'), release: fixedBytes('release share') }
  const plaintext = encodeSecrets({ shares, seq: 41, hash: fixedBytes('head'), birthHash: fixedBytes('birth') })
  const context = { purpose: 'tenant-shares', tenantId: TENANT, backupId: BACKUP } as const
  const sealed = await sealForBackupWithEphemeral({ publicKey, context, plaintext }, fixedBytes('ephemeral file'))
  return [
    writer.header({
      backup_id: BACKUP,
      key_id: backupKeyId(publicKey),
      created_at: '2026-11-24T12:00:00.000Z',
      tenants: 2,
    }),
    writer.sealed({
      tenant_id: TenantId.parse(TENANT),
      row_id: AuditRowId.parse(fixedUuid('backup row')),
      sealed,
      canary: { kek_version: 1, wrapped: concat(fixedBytes('canary'), fixedBytes('tag').slice(0, 28)) },
    }),
    writer.missing({ tenant_id: TenantId.parse(OTHER_TENANT), missing: 'ledger_lost' }),
    writer.closing(),
  ]
}
