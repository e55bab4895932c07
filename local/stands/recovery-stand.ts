import { spawn } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { cp, rm } from 'node:fs/promises'
import { createServer } from 'node:http'
import { join } from 'node:path'
import { exportJWK } from 'jose'
import type { AuditRow } from '../../domain/audit/row.ts'
import { formatBackupPrivateKey, formatBackupPublicKey } from '../../domain/backup/key.ts'
import { generateHpkeKeyPair } from '../../domain/hpke.ts'
import { MerkleTree } from '../../domain/merkle/tree.ts'
import { formatCheckpoint, originOf } from '../../domain/note/checkpoint.ts'
import { formatVkey, generateSigner, signNote } from '../../domain/note/signed-note.ts'
import { checkout } from '../supervisor/checkout.ts'
import { startVaultStand } from './vault-stand.ts'

/** A vault stand with a backup key, a log key, and an operator's desk: a folder from which `flarewatch` is run. */
export type RecoveryStand = Awaited<ReturnType<typeof startRecoveryStand>>

export type CommandRun = {
  readonly status: number | null
  readonly document: Record<string, unknown> & { readonly ok: boolean; readonly error?: { readonly code: string } }
  readonly stderr: string
}

const LEDGERS = 'flarewatch-durable-objects-AuditLedger'
const EVERY_OBJECT = /^flarewatch-durable-objects-/
const BIN = checkout('cli/flarewatch.mjs')

export async function startRecoveryStand() {
  const signer = await generateSigner('flarewatch.test/log')
  const backup = await generateHpkeKeyPair()
  const stand = await startVaultStand({
    vault: { LOG_VKEY: formatVkey(signer) },
    host: { BACKUP_PUBLIC_KEY: formatBackupPublicKey(backup.publicKey) },
  })
  const desk = join(stand.dir, 'desk')
  mkdirSync(join(desk, 'secrets'), { recursive: true, mode: 0o700 })
  writeFileSync(join(desk, 'secrets', 'operator.key'), JSON.stringify(await exportJWK(stand.operatorKey)), {
    mode: 0o600,
  })
  const backupKeyPath = join(desk, 'backup.key')
  writeFileSync(backupKeyPath, `# a test's\n${formatBackupPrivateKey(backup.privateKey)}\n`, { mode: 0o600 })
  const gateway = await startReceipts()
  const storedObjects = (storage: string, objects: string) => join(storage, 'do', objects)
  return {
    ...stand,
    desk,
    backupKeyPath,
    gatewayUrl: gateway.url,
    publishReceipt: gateway.publish,
    stop: async () => {
      await gateway.stop()
      await stand.stop()
    },
    flarewatch: (...args: string[]) => run([...args, '--data', desk, '--vault', stand.vaultUrl()]),
    /** A checkpoint of the first `size` rows. */
    receipt: async (rows: readonly AuditRow[], size: number, by = signer): Promise<string> => {
      const tree = new MerkleTree()
      for (const { hash } of rows.slice(0, size)) tree.append(hash)
      const last = rows[size - 1]
      if (last === undefined) throw new Error('a receipt of rows that there are')
      const origin = originOf(signer.name, last.tenantId)
      return signNote(formatCheckpoint({ origin, size, root: tree.root(size), chainHead: last.hash, at: last.at }), [
        by,
      ])
    },
    rows: (tenantId: string) => stand.call('AUDIT_LEDGER', tenantId, 'rowsFrom', 1, 500) as Promise<AuditRow[]>,
    /** New isolates over a disk that lost every Durable Object. */
    loseObjects: () =>
      stand.restart({
        whileDown: async (storage) => {
          const lost = readdirSync(join(storage, 'do')).filter((name) => EVERY_OBJECT.test(name))
          for (const objects of lost) await rm(storedObjects(storage, objects), { recursive: true })
        },
      }),
    keepLedgers: (name: string) =>
      stand.restart({
        whileDown: (storage) => cp(storedObjects(storage, LEDGERS), join(stand.dir, name), { recursive: true }),
      }),
    /** New isolates over the ledgers as they were. */
    setLedgersBack: (name: string) =>
      stand.restart({
        whileDown: async (storage) => {
          await rm(storedObjects(storage, LEDGERS), { recursive: true })
          await cp(join(stand.dir, name), storedObjects(storage, LEDGERS), { recursive: true })
        },
      }),
    /** The SQLite files of the ledgers, while they are down. */
    whileLedgersDown: (act: (files: readonly string[]) => void) =>
      stand.restart({ whileDown: async (storage) => act(sqliteFiles(storedObjects(storage, LEDGERS))) }),
    /** What a superuser does who switches the guards off. */
    unguarded: (act: (sql: typeof stand.sql) => Promise<unknown>) => unguarded(stand.sql, act),
  }
}

/** Where the gateway publishes the newest checkpoint of a log. */
async function startReceipts() {
  const notes = new Map<string, string>()
  const server = createServer(({ url = '' }, response) => {
    const note = notes.get(url)
    response.statusCode = note === undefined ? 404 : 200
    response.end(note ?? JSON.stringify({ error: { code: 'not_found', message: 'none', request_id: '' } }))
  })
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening))
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('a TCP server has no port')
  return {
    url: `http://127.0.0.1:${address.port}`,
    publish: (tenantId: string, note: string) => void notes.set(`/receipts/${tenantId}`, note),
    stop: () => new Promise((closed) => server.close(closed)),
  }
}

function sqliteFiles(folder: string): string[] {
  if (!existsSync(folder)) return []
  return readdirSync(folder)
    .filter((name) => name.endsWith('.sqlite') && name !== 'metadata.sqlite')
    .map((name) => join(folder, name))
}

async function unguarded<Sql extends Awaited<ReturnType<typeof startVaultStand>>['sql']>(
  sql: Sql,
  act: (sql: Sql) => Promise<unknown>,
): Promise<void> {
  const leaves = await sql<{ name: string }[]>`
    select inhrelid::regclass::text as name from pg_inherits where inhparent = 'flarewatch.audit_log'::regclass`
  const tables = ['flarewatch.audit_log', ...leaves.map(({ name }) => name)]
  for (const table of tables) await sql`alter table ${sql(table)} disable trigger user`
  try {
    await act(sql)
  } finally {
    for (const table of tables) {
      await sql`alter table ${sql(table)} enable always trigger refuse_change`
      await sql`alter table ${sql(table)} enable always trigger extend_chain`
    }
  }
}

/** Never `spawnSync`: the vault asks this process for the time. */
function run(args: readonly string[]): Promise<CommandRun> {
  const child = spawn(process.execPath, [BIN, ...args, '--json'], { stdio: ['ignore', 'pipe', 'pipe'] })
  let [stdout, stderr] = ['', '']
  child.stdout.on('data', (chunk: Buffer) => {
    stdout += chunk.toString()
  })
  child.stderr.on('data', (chunk: Buffer) => {
    stderr += chunk.toString()
  })
  return new Promise((ended) => {
    child.on('close', (status) => ended({ status, document: JSON.parse(stdout) as CommandRun['document'], stderr }))
  })
}
