import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { formatBackupPrivateKey, formatBackupPublicKey } from '../../../domain/backup/key.ts'
import { toBase64Url } from '../../../domain/bytes.ts'
import { SEALS_IN_FLIGHT_MS } from '../../../domain/contracts/kek-versions.ts'
import { generateKek } from '../../../domain/envelope/kek.ts'
import { generateHpkeKeyPair } from '../../../domain/hpke.ts'
import { openNote, parseVkey } from '../../../domain/note/signed-note.ts'
import { runCommand } from '../../../local/rotation/command.ts'
import { bornTenant, type StandTenant, storeCredential } from '../../../local/stands/tenants.ts'
import { startVaultStand, type VaultStand } from '../../../local/stands/vault-stand.ts'

/** An operator at a desk, with a key and a vault's address and nothing else. */
let stand: VaultStand
let clock: Server
let clockUrl: string
let desk: string
let tenant: StandTenant
let credentialId: string
let backupKeyPath: string

beforeAll(async () => {
  const backup = await generateHpkeKeyPair()
  stand = await startVaultStand({ vault: { BACKUP_PUBLIC_KEY: formatBackupPublicKey(backup.publicKey) } })
  clock = createServer((_, response) => response.end(JSON.stringify({ now: stand.now() })))
  await new Promise<void>((listening) => clock.listen(0, '127.0.0.1', listening))
  const address = clock.address()
  if (address === null || typeof address === 'string') throw new Error('a TCP server has no port')
  clockUrl = `http://127.0.0.1:${address.port}`
  desk = join(stand.dir, 'desk')
  mkdirSync(join(desk, 'secrets'), { recursive: true })
  writeFileSync(join(desk, 'secrets', 'operator.key'), JSON.stringify(stand.operatorJwk))
  backupKeyPath = join(stand.dir, 'backup.key')
  writeFileSync(backupKeyPath, `# a test's\n${formatBackupPrivateKey(backup.privateKey)}\n`)
  tenant = await bornTenant(stand)
  credentialId = (await storeCredential(stand, tenant, 'cf-token-for-the-command-line-0001')).id
})
afterAll(async () => {
  await stand?.stop()
  clock.close()
})

describe('V4 flarewatch keys', () => {
  it('status says what wraps and what is under it', async () => {
    const { document } = await flarewatch('keys', 'status')
    expect(document).toMatchObject({
      ok: true,
      versions: [{ version: 1, state: 'wrapping', rows: { tenant_keys: 1, audit_keys: 1, credentials: 1 } }],
      isolate: { bound: [1], refusal: null },
    })
  })

  it('rotate takes the newest version that is deployed; asked again, it has nothing left to do', async () => {
    await stand.restart({ bindings: { KEK_V2: toBase64Url(generateKek()) } })
    const first = await flarewatch('keys', 'rotate')
    expect(first.document).toMatchObject({ ok: true, version: 2, rewrapped: 3, isolates: 1 })
    expect(first.stderr).toContain('re-wrapped 3 of 3')
    expect((await flarewatch('keys', 'rotate')).document).toMatchObject({ ok: true, version: 2, rewrapped: 0 })
  })

  it('retire says until when a backup needs the version, and how not to wait', async () => {
    expect(await codeOf('keys', 'retire', '2')).toBe('kek_wraps')
    stand.advance(SEALS_IN_FLIGHT_MS)
    const { document } = await flarewatch('keys', 'retire', '1')
    expect(document.error).toMatchObject({ code: 'kek_backup_window', message: expect.stringContaining('--escrow') })
  })

  it('retire --escrow leaves a census that a note verifier accepts, and an escrow that gives the key back', async () => {
    const { document } = await flarewatch('keys', 'retire', '1', '--escrow')
    expect(document).toMatchObject({ ok: true, retired: true })
    const vkey = parseVkey(String(document.vkey))
    if (!vkey.ok) throw new Error(vkey.code)
    const opened = await openNote(readFileSync(String(document.path), 'utf8'), [vkey.value])
    expect(opened.ok && opened.value.text).toContain('\nafter 1 retired 0 0 0 ')
    const recovered = await flarewatch('keys', 'recover', String(document.escrow), '--key', backupKeyPath)
    expect(recovered.document).toMatchObject({ ok: true, version: 1 })
    expect(readFileSync(join(desk, 'secrets', 'kek.v1'), 'utf8').split('\n')[1]).toBe(toBase64Url(stand.kek))
  })

  it('deny lists what is under a version', async () => {
    const { document } = await flarewatch('keys', 'deny', '2')
    const rows = { tenant_id: tenant.id, tenant_keys: ['1'], audit_keys: ['1'], credentials: [credentialId] }
    expect(document).toMatchObject({ ok: true, denied: true, tenants: [rows] })
    expect(await codeOf('keys', 'deny', '9')).toBe('kek_unknown')
  })

  it('freezes and unfreezes', async () => {
    const frozen = await flarewatch('freeze', tenant.id, '--reason', 'drill')
    expect(frozen.document).toMatchObject({ ok: true, frozen: true, row_id: expect.any(String) })
    expect((await flarewatch('unfreeze', tenant.id)).document).toMatchObject({ ok: true, frozen: false })
  })
})

type Document = { ok: boolean; error?: { code: string; message: string } } & Record<string, unknown>

async function flarewatch(...args: string[]): Promise<{ document: Document; stderr: string }> {
  const nowhere = 'http://127.0.0.1:1'
  const run = { pid: process.pid, gateway_url: nowhere, supabase_url: nowhere, publishable_key: '', log_vkey: '' }
  const control = { url: clockUrl, token: 'any' }
  writeFileSync(join(desk, 'run.json'), JSON.stringify({ ...run, vault_url: stand.vaultUrl(), control }))
  const { stdout, stderr } = await runCommand([...args, '--data', desk, '--json'])
  return { document: JSON.parse(stdout) as Document, stderr }
}

async function codeOf(...args: string[]): Promise<string | undefined> {
  return (await flarewatch(...args)).document.error?.code
}
