import { createHash, randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { importJWK, SignJWT } from 'jose'
import { z } from 'zod'
import { fromBase64Url } from '../domain/bytes.ts'
import {
  OPERATOR_DOOR_PATH,
  OPERATOR_JWT_AUDIENCE,
  OPERATOR_JWT_ISSUER,
  type OperatorOperation,
  OperatorOperations,
} from '../domain/contracts/operator-door.ts'
import { REQUEST_JWT_MAX_AGE_SECONDS } from '../domain/contracts/request-token.ts'
import { OPERATOR_KEY_NAME } from '../domain/envelope/census.ts'
import { type NoteSigner, signerOfSeed } from '../domain/note/keys.ts'
import { type Arguments, CommandRefused, EXIT } from './command.ts'
import { fetchJson } from './http.ts'
import { findRunFile } from './run-file.ts'

/** What every operator's command takes beside its own options. */
export const OPERATOR_OPTIONS = { vault: { type: 'string' } } as const

export const OperatorKey = z.object({
  kty: z.literal('OKP'),
  crv: z.literal('Ed25519'),
  x: z.base64url().length(43),
  d: z.base64url().length(43),
})
type OperatorKey = z.infer<typeof OperatorKey>
type Operation<Name extends OperatorOperation> = (typeof OperatorOperations)[Name]

export function operatorKeyPath(dir: string): string {
  return join(dir, 'secrets', 'operator.key')
}

/** Asks the vault's OperatorDoor, in the name of the key in DIR/secrets. A refusal ends the command with the vault's code. */
export async function askOperatorDoor<Name extends OperatorOperation>(
  { dir, values }: Pick<Arguments, 'dir' | 'values'>,
  operation: Name,
  request: z.input<Operation<Name>['request']>,
): Promise<z.output<Operation<Name>['response']>> {
  const vaultUrl = vaultUrlOf(dir, values.vault)
  const body = JSON.stringify(request)
  const headers = {
    'content-type': 'application/json',
    authorization: `Bearer ${await operatorJwt(readOperatorKey(dir), operation, body)}`,
  }
  const url = new URL(`${OPERATOR_DOOR_PATH}${operation}`, vaultUrl).href
  const answer = await fetchJson(url, { method: 'POST', headers, body }, OperatorOperations[operation].response)
  return answer as z.output<Operation<Name>['response']>
}

/** The operator's key as a signer of notes (Ed25519, like every note of ours). */
export function operatorSigner(dir: string): Promise<NoteSigner> {
  const seed = fromBase64Url(readOperatorKey(dir).d)
  if (!seed.ok) throw new CommandRefused('operator_key_malformed', `${operatorKeyPath(dir)} is not an Ed25519 JWK`)
  return signerOfSeed(OPERATOR_KEY_NAME, seed.value)
}

/** Progress of what takes long; the answer alone goes to standard output. */
export function say(line: string): void {
  process.stderr.write(`${line}\n`)
}

/** The vault that was named; else that of the stack that runs on this folder. */
function vaultUrlOf(dir: string, named: string | boolean | undefined): string {
  const url = named ?? findRunFile(dir)?.vault_url
  if (url === undefined) {
    throw new CommandRefused('not_running', `No stack runs on ${dir}. Name a deployment's vault: --vault URL`)
  }
  const parsed = z.url({ protocol: /^https?$/ }).safeParse(url)
  if (!parsed.success) throw new CommandRefused('usage', '--vault takes an https URL', EXIT.usage)
  const { protocol, hostname } = new URL(parsed.data)
  if (protocol === 'https:' || hostname === '127.0.0.1' || hostname === 'localhost') return parsed.data
  throw new CommandRefused(
    'usage',
    '--vault takes an https URL: what the operator sends is for the vault alone',
    EXIT.usage,
  )
}

function readOperatorKey(dir: string): OperatorKey {
  const path = operatorKeyPath(dir)
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch {
    const message = `There is no operator key in ${path}. Make one: flarewatch keys generate --operator`
    throw new CommandRefused('operator_key_missing', message, EXIT.configuration)
  }
  const key = OperatorKey.safeParse(parseJson(text))
  if (key.success) return key.data
  throw new CommandRefused('operator_key_malformed', `${path} is not an Ed25519 JWK`, EXIT.configuration)
}

/** Bound to this one request: operation, digest of the body, a `jti` that the vault takes once, half a minute. */
async function operatorJwt(key: OperatorKey, operation: OperatorOperation, body: string): Promise<string> {
  const issuedAt = Math.floor(Date.now() / 1000)
  const bound = { op: operation, body_sha256: createHash('sha256').update(body).digest('base64url') }
  return new SignJWT(bound)
    .setProtectedHeader({ alg: 'EdDSA', typ: 'JWT' })
    .setIssuer(OPERATOR_JWT_ISSUER)
    .setAudience(OPERATOR_JWT_AUDIENCE)
    .setIssuedAt(issuedAt)
    .setExpirationTime(issuedAt + REQUEST_JWT_MAX_AGE_SECONDS)
    .setJti(randomUUID())
    .sign(await importJWK(key, 'EdDSA'))
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
