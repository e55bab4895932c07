import { randomUUID } from 'node:crypto'
import { existsSync } from 'node:fs'
import { type FileHandle, link, open, rm } from 'node:fs/promises'
import { resolve } from 'node:path'
import { BackupWriter } from '../../../domain/backup/file.ts'
import { fromBase64Url } from '../../../domain/bytes.ts'
import type { TenantId } from '../../../domain/contracts/ids.ts'
import { type Answer, type Arguments, type Command, CommandRefused, EXIT } from '../../command.ts'
import { askOperatorDoor, OPERATOR_OPTIONS } from '../../operator.ts'
import { progress } from '../../progress.ts'

type Failed = { readonly tenant_id: TenantId; readonly code: string }

/**
 * V2: every tenant's shares and head, each sealed by its own ledger to the backup key. They pass through here sealed. A
 * tenant that cannot be backed up is named in the file and in the answer, and keeps no other from it.
 */
export const backupKeys: Command = {
  usage: 'flarewatch backup keys --out FILE [--vault URL]',
  summary: 'operator: back up what the ledgers alone know, sealed to the backup key',
  options: { out: { type: 'string' }, ...OPERATOR_OPTIONS },
  positionals: 0,
  async run(args: Arguments) {
    const { out } = args.values
    if (typeof out !== 'string') throw new CommandRefused('usage', '--out says where the file goes', EXIT.usage)
    const path = resolve(out)
    const { key_id: keyId } = await askOperatorDoor(args, 'backup-key', {})
    const tenants = await rosteredTenants(args)
    const header = {
      backup_id: randomUUID(),
      key_id: keyId,
      created_at: new Date().toISOString(),
      tenants: tenants.length,
    }
    const failed = await writeWhole(path, (file) => writeBackup(args, file, header, tenants))
    return answerOf({ path, backupId: header.backup_id, keyId, tenants: tenants.length, failed })
  },
}

async function rosteredTenants(args: Arguments): Promise<TenantId[]> {
  const tenants: TenantId[] = []
  for (let cursor: number | null = null; ; ) {
    const page: { tenants: TenantId[]; next: number | null } = await askOperatorDoor(args, 'roster-list', { cursor })
    tenants.push(...page.tenants)
    if (page.next === null) return tenants
    cursor = page.next
  }
}

type Header = Parameters<BackupWriter['header']>[0]

async function writeBackup(
  args: Arguments,
  file: FileHandle,
  header: Header,
  tenants: readonly TenantId[],
): Promise<Failed[]> {
  const writer = new BackupWriter()
  const failed: Failed[] = []
  const told = progress('tenants', tenants.length)
  await file.writeFile(writer.header(header))
  for (const tenantId of tenants) {
    const line = await backUp(args, tenantId, header).catch((error: unknown) => {
      if (!(error instanceof CommandRefused)) throw error
      return error
    })
    if (line instanceof CommandRefused) {
      failed.push({ tenant_id: tenantId, code: line.code })
      await file.writeFile(writer.missing({ tenant_id: tenantId, missing: line.code }))
      told.note(`${tenantId}: ${line.code}`)
    } else await file.writeFile(writer.sealed(line))
    told.step()
  }
  await file.writeFile(writer.closing())
  return failed
}

async function backUp(args: Arguments, tenantId: TenantId, { backup_id, key_id }: Header) {
  const answer = await askOperatorDoor(args, 'backup-tenant', { tenant_id: tenantId, backup_id })
  if (answer.key_id !== key_id) throw new CommandRefused('backup_key_changed', 'The backup key was replaced meanwhile')
  const { row_id, canary } = answer
  return {
    tenant_id: tenantId,
    row_id,
    sealed: bytesOf(answer.sealed),
    canary: canary === null ? null : { kek_version: canary.kek_version, wrapped: bytesOf(canary.wrapped) },
  }
}

function bytesOf(text: string): Uint8Array {
  const bytes = fromBase64Url(text)
  if (bytes.ok) return bytes.value
  throw new CommandRefused('answer_invalid', 'The vault answered with something other than base64url')
}

/** Under its own name only once it is whole and on disk, and never in the place of another. */
async function writeWhole<Value>(path: string, write: (file: FileHandle) => Promise<Value>): Promise<Value> {
  const part = `${path}.${process.pid}.part`
  if (existsSync(path)) throw new CommandRefused('file_exists', `${path} exists and is not overwritten`)
  const file = await open(part, 'wx', 0o600).catch(() => {
    throw new CommandRefused('file_unwritable', `${path} cannot be written`)
  })
  try {
    const value = await write(file)
    await file.sync()
    // Unlike a rename, a link never replaces what is there.
    await link(part, path)
    return value
  } finally {
    await file.close()
    await rm(part, { force: true })
  }
}

type Written = {
  readonly path: string
  readonly backupId: string
  readonly keyId: string
  readonly tenants: number
  readonly failed: readonly Failed[]
}

function answerOf({ path, backupId, keyId, tenants, failed }: Written): Answer {
  const ok = failed.length === 0
  const lines = failed.map(({ tenant_id, code }) => `  not in it: ${tenant_id} (${code})`)
  return {
    document: { ok, path, backup_id: backupId, key_id: keyId, tenants, sealed: tenants - failed.length, failed },
    text: [`${tenants - failed.length} of ${tenants} tenants are in ${path}, sealed to key ${keyId}`, ...lines].join(
      '\n',
    ),
    exit: ok ? EXIT.ok : EXIT.failed,
  }
}
