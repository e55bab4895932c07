import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { exportJWK, generateKeyPair, type JWK } from 'jose'
import { formatBackupPrivateKey, formatBackupPublicKey } from '../../domain/backup/key.ts'
import { randomBytes, toBase64Url } from '../../domain/bytes.ts'
import { generateHpkeKeyPair } from '../../domain/hpke.ts'
import { formatSignerKey, formatVkey, generateSigner, parseSignerKey } from '../../domain/note/signed-note.ts'

/** Where `flarewatch` looks for the operator's key. */
const OPERATOR_KEY_FILE = 'operator.key'

/** Keys that a stack makes for itself at first boot. The KEK is not among them: the operator makes that one (S2). */
export type StackKeys = {
  /** Ed25519, held by the Edge Functions, to speak to the vault. */
  readonly edgeServicePrivate: JWK
  readonly edgeServicePublic: JWK
  /** Ed25519; the private half stays in DIR/secrets, for whoever runs the stack. */
  readonly operatorPublic: JWK
  /** C2SP signer text, held by the verifier, and the verifier key that outsiders pin. */
  readonly receiptSigner: string
  readonly logVkey: string
  /** Held by the console's function: every tenant's database password follows from it. */
  readonly consoleLogin: string
  /** The public half of the backup key, when the operator left one in DIR/secrets; a demo makes a pair of its own. */
  readonly backupPublic: string | null
  /** 256 bits that invitations' tokens are made with: held by the notifier and by the function that invites. */
  readonly invitation: string
}

export async function stackKeys(dir: string, logName: string, kind: 'demo' | 'operator'): Promise<StackKeys> {
  const edge = await keptSecret(dir, 'edge-service.jwk.json', async () => JSON.stringify(await newSigningKey()))
  const operator = await keptSecret(dir, OPERATOR_KEY_FILE, async () => JSON.stringify(await newSigningKey()))
  const receiptSigner = await keptSecret(dir, 'receipt-signer.key', async () =>
    formatSignerKey(await generateSigner(logName)),
  )
  const invitation = await keptSecret(dir, 'invitation.key', async () => toBase64Url(randomBytes(32)))
  const signer = await parseSignerKey(receiptSigner)
  if (!signer.ok) throw new Error(`${join(dir, 'secrets', 'receipt-signer.key')} is not a signer key`)
  return {
    edgeServicePrivate: JSON.parse(edge) as JWK,
    edgeServicePublic: publicHalf(edge),
    operatorPublic: publicHalf(operator),
    receiptSigner,
    logVkey: formatVkey(signer.value),
    invitation,
    consoleLogin: await keptSecret(dir, 'console-login.key', async () => toBase64Url(randomBytes(32))),
    backupPublic: kind === 'demo' ? await demoBackupKey(dir) : backupPublicKey(dir),
  }
}

/** Where `flarewatch backup generate-key` leaves the public half. The private half is not in DIR. */
const BACKUP_PUBLIC_FILE = 'backup.pub'

function backupPublicKey(dir: string): string | null {
  const path = join(dir, 'secrets', BACKUP_PUBLIC_FILE)
  return existsSync(path) ? readFileSync(path, 'utf8').trim() : null
}

/** Both halves in DIR, which makes it a demo's: whoever has this folder has what the backup key is to keep apart. */
async function demoBackupKey(dir: string): Promise<string> {
  const known = backupPublicKey(dir)
  if (known !== null) return known
  const { publicKey, privateKey } = await generateHpkeKeyPair()
  const label = '# Demo key: it lies beside what it protects, as no real backup key may'
  const text = `${label}\n${formatBackupPrivateKey(privateKey)}\n`
  await keptSecret(dir, 'backup.demo.key', async () => text)
  return keptSecret(dir, BACKUP_PUBLIC_FILE, async () => formatBackupPublicKey(publicKey))
}

function publicHalf(key: string): JWK {
  const { d: _, ...half } = JSON.parse(key) as JWK
  return half
}

async function newSigningKey(): Promise<JWK> {
  const { privateKey } = await generateKeyPair('EdDSA', { extractable: true })
  return { ...(await exportJWK(privateKey)), alg: 'EdDSA', use: 'sig' }
}

async function keptSecret(dir: string, file: string, make: () => Promise<string>): Promise<string> {
  const path = join(dir, 'secrets', file)
  if (!existsSync(path)) writeFileSync(path, `${await make()}\n`, { mode: 0o600 })
  return readFileSync(path, 'utf8').trim()
}
