import { z } from 'zod'
import type { AuditLedgerApi, StepUpTokensApi, TenantRosterApi } from '../../domain/contracts/durable-objects.ts'
import type { KekVersionsApi } from '../../domain/contracts/kek-versions.ts'
import type { OperatorKeysApi } from '../../domain/contracts/operator-keys.ts'
import type { RewrapMessage } from '../../domain/contracts/queues.ts'
import { durableObjects, embeddedOnly, httpUrl, hyperdrive, parseBindings, queue } from '../runtime/bindings.ts'

const Ed25519PublicKey = z.object({
  kty: z.literal('OKP'),
  crv: z.literal('Ed25519'),
  x: z.base64url().length(43),
})
export type Ed25519PublicKey = z.output<typeof Ed25519PublicKey>
const jsonText = z.string().transform((text, context): unknown => {
  try {
    return JSON.parse(text)
  } catch {
    context.addIssue({ code: 'custom', message: 'not JSON' })
    return z.NEVER
  }
})

const Bindings = z.object({
  DB: hyperdrive,
  AUDIT_LEDGER: durableObjects<AuditLedgerApi>(),
  KEK_VERSIONS: durableObjects<KekVersionsApi>(),
  OPERATOR_KEYS: durableObjects<OperatorKeysApi>(),
  REWRAP: queue<RewrapMessage>(),
  STEP_UP_TOKENS: durableObjects<StepUpTokensApi>(),
  TENANT_ROSTER: durableObjects<TenantRosterApi>(),
  AUTH_ISSUER: httpUrl,
  AUTH_JWKS_URL: httpUrl,
  EDGE_SERVICE_PUBLIC_KEY: jsonText.pipe(Ed25519PublicKey),
  /** The log's verifier key, as outsiders pin it: what a receipt must be signed by before a chain is taken over. */
  LOG_VKEY: z.string().max(512),
  /** The public half of the operator's backup key, in its text form; empty is none. A KEK leaves this Worker sealed to it, or not at all. */
  BACKUP_PUBLIC_KEY: z.string().default(''),
  OPERATOR_PUBLIC_KEY: jsonText.pipe(Ed25519PublicKey),
  /** Set by the demo and by tests alone; the check of the walls refuses it in a wrangler file. */
  DEMO_KEK_ACCEPTED: z
    .enum(['true', 'false'])
    .default('false')
    .transform((text) => text === 'true'),
  ...embeddedOnly,
})

/** A KEK as bound, not yet judged: a missing or malformed one is for `/ready` to name, not a crash. */
export type KekText = { readonly version: number; readonly text: string }
export type VaultBindings = z.output<typeof Bindings> & { readonly keks: readonly KekText[] }

const KEK_NAME = /^KEK_V([1-9]\d{0,8})$/

export function vaultBindings(env: unknown): VaultBindings {
  return { ...parseBindings('vault', Bindings, env), keks: kekTexts(env) }
}

function kekTexts(env: unknown): KekText[] {
  return Object.entries(z.record(z.string(), z.unknown()).parse(env)).flatMap(([name, value]) => {
    const [, version] = KEK_NAME.exec(name) ?? []
    if (version === undefined) return []
    return [{ version: Number(version), text: typeof value === 'string' ? value : '' }]
  })
}
