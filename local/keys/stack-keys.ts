import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { exportJWK, generateKeyPair, type JWK } from 'jose'
import { formatSignerKey, formatVkey, generateSigner, parseSignerKey } from '../../domain/note/signed-note.ts'

/** Keys that a stack makes for itself at first boot. The KEK is not among them: the operator makes that one (S2). */
export type StackKeys = {
  /** Ed25519, held by the Edge Functions, to speak to the vault. */
  readonly edgeServicePrivate: JWK
  readonly edgeServicePublic: JWK
  /** C2SP signer text, held by the verifier, and the verifier key that outsiders pin. */
  readonly receiptSigner: string
  readonly logVkey: string
}

export async function stackKeys(dir: string, logName: string): Promise<StackKeys> {
  const edge = await keptSecret(dir, 'edge-service.jwk.json', async () => JSON.stringify(await newEdgeServiceKey()))
  const receiptSigner = await keptSecret(dir, 'receipt-signer.key', async () =>
    formatSignerKey(await generateSigner(logName)),
  )
  const { d: _, ...edgeServicePublic } = JSON.parse(edge) as JWK
  const signer = await parseSignerKey(receiptSigner)
  if (!signer.ok) throw new Error(`${join(dir, 'secrets', 'receipt-signer.key')} is not a signer key`)
  return {
    edgeServicePrivate: JSON.parse(edge) as JWK,
    edgeServicePublic,
    receiptSigner,
    logVkey: formatVkey(signer.value),
  }
}

async function newEdgeServiceKey(): Promise<JWK> {
  const { privateKey } = await generateKeyPair('EdDSA', { extractable: true })
  return { ...(await exportJWK(privateKey)), alg: 'EdDSA', use: 'sig' }
}

async function keptSecret(dir: string, file: string, make: () => Promise<string>): Promise<string> {
  const path = join(dir, 'secrets', file)
  if (!existsSync(path)) writeFileSync(path, `${await make()}\n`, { mode: 0o600 })
  return readFileSync(path, 'utf8').trim()
}
