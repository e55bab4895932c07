import { createHash, randomUUID } from 'node:crypto'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { exportJWK, generateKeyPair, type JWTPayload, SignJWT } from 'jose'
import postgres from 'postgres'
import { toBase64Url } from '../../domain/bytes.ts'
import {
  type EdgeOperation,
  SERVICE_JWT_AUDIENCE,
  SERVICE_JWT_ISSUER,
  STEP_UP_HEADER,
  USER_JWT_HEADER,
} from '../../domain/contracts/edge-door.ts'
import {
  OPERATOR_DOOR_PATH,
  OPERATOR_JWT_AUDIENCE,
  OPERATOR_JWT_ISSUER,
  type OperatorOperation,
} from '../../domain/contracts/operator-door.ts'
import { generateKek } from '../../domain/envelope/kek.ts'
import { createAuthUsers, openAuthSession } from '../postgres/auth-users.ts'
import { startThrowawayPostgres } from '../postgres/throwaway.ts'
import type { ProbeBinding } from './probe.ts'
import { startTcpSwitch, type TcpSwitch } from './tcp-switch.ts'
import { startVaultWorkers, type VaultWorkers } from './vault-workers.ts'

/** Vault, Durable Objects and Postgres as shipped, with an Auth issuer and an Edge service that a test signs for. */
export type VaultStand = Awaited<ReturnType<typeof startVaultStand>>

export type User = { readonly id: string; readonly session: string }
export type EdgeCall = {
  readonly user: User
  readonly stepUp?: string
  /** Claims that replace those of an honest service JWT or user's JWT. */
  readonly service?: JWTPayload
  readonly claims?: JWTPayload
  readonly authorization?: string
}
export type EdgeAnswer = {
  readonly status: number
  readonly code: string | null
  readonly body: Record<string, string>
}

export type OperatorCall = {
  /** Claims that replace those of an honest operator JWT. */
  readonly claims?: JWTPayload
  readonly authorization?: string
}
export type OperatorAnswer = {
  readonly status: number
  readonly code: string | null
  readonly body: Record<string, unknown>
}

export type Restart = {
  /** Null takes a binding away. */
  readonly bindings?: Record<string, string | null>
  readonly ledger?: 'unreachable'
  /** Gets the folder that the Durable Objects are stored in. */
  readonly whileDown?: (storage: string) => Promise<void>
}

const AUTH_ISSUER = 'http://auth.test/auth/v1'

/** Bindings beside the honest ones. */
export type StandBindings = { readonly vault?: Record<string, string>; readonly host?: Record<string, string> }

export async function startVaultStand(extra: StandBindings = {}) {
  const dir = mkdtempSync(join(tmpdir(), 'flarewatch-stand-'))
  for (const folder of ['secrets', 'logs', 'workers']) mkdirSync(join(dir, folder), { recursive: true, mode: 0o700 })
  const database = await startThrowawayPostgres()
  const [vaultDoor, ledgerDoor] = await Promise.all([
    startTcpSwitch(database.poolPort),
    startTcpSwitch(database.poolPort),
  ])
  const auth = await startIssuer()
  const edge = await generateKeyPair('EdDSA', { extractable: true })
  const operator = await generateKeyPair('EdDSA', { extractable: true })
  const sql = postgres(database.superuserUrl, { max: 2, onnotice: () => {} })
  await createAuthUsers(sql)
  const kek = generateKek()
  let offset = 0
  const now = () => Date.now() + offset
  const honest = {
    AUTH_ISSUER,
    AUTH_JWKS_URL: auth.jwksUrl,
    EDGE_SERVICE_PUBLIC_KEY: JSON.stringify(await exportJWK(edge.publicKey)),
    OPERATOR_PUBLIC_KEY: JSON.stringify(await exportJWK(operator.publicKey)),
    KEK_V1: toBase64Url(kek),
    ...extra.vault,
  }
  const boot = (bindings: Record<string, string>, ledger?: 'unreachable'): Promise<VaultWorkers> =>
    startVaultWorkers({
      dir,
      vaultUrl: through(database.pooledUrlFor('flarewatch_vault'), vaultDoor),
      ledgerUrl: through(database.pooledUrlFor('flarewatch_ledger'), ledgerDoor),
      vaultBindings: bindings,
      hostBindings: extra.host ?? {},
      clock: now,
      ...(ledger === undefined ? {} : { ledger }),
    })
  let workers = await boot(honest)

  /** Each is of a session that has just begun, as long as the claims name no other. */
  const userJwt = async (user: User, claims: JWTPayload = {}) => {
    await openAuthSession(sql, { id: user.session, userId: user.id, at: new Date(now()) })
    return auth.sign(user, now(), claims)
  }
  const edgeCall = async (op: EdgeOperation, body: object, call: EdgeCall): Promise<EdgeAnswer> => {
    const text = JSON.stringify(body)
    const serviceJwt = await signRequest(edge.privateKey, {
      op,
      text,
      at: now(),
      claims: { ...SERVICE, ...call.service },
    })
    const response = await fetch(`${workers.url}/edge/v1/${op}`, {
      method: 'POST',
      body: text,
      headers: {
        authorization: call.authorization ?? `Bearer ${serviceJwt}`,
        [USER_JWT_HEADER]: await userJwt(call.user, call.claims),
        ...(call.stepUp === undefined ? {} : { [STEP_UP_HEADER]: call.stepUp }),
      },
    })
    const answer = (await response.json()) as Record<string, string> & { error?: { code: string } }
    return { status: response.status, code: answer.error?.code ?? null, body: answer }
  }
  const operatorCall = async (
    op: OperatorOperation,
    body: object,
    { claims = {}, authorization }: OperatorCall = {},
  ): Promise<OperatorAnswer> => {
    const caller = { key: operator.privateKey, vaultUrl: workers.url, at: now() }
    return askOperatorDoor(caller, op, body, { claims, ...(authorization === undefined ? {} : { authorization }) })
  }
  return {
    dir,
    sql,
    kek,
    operatorKey: operator.privateKey,
    now,
    vaultDoor,
    ledgerDoor,
    userJwt,
    edgeCall,
    operatorCall,
    signService: (op: string, text: string, claims: JWTPayload = {}) =>
      signRequest(edge.privateKey, { op, text, at: now(), claims: { ...SERVICE, ...claims } }),
    advance: (ms: number) => {
      offset += ms
    },
    call: (binding: ProbeBinding, object: string | null, method: string, ...args: unknown[]) =>
      workers.call({ binding, object, method, args }),
    ready: async () => (await fetch(`${workers.url}/ready`)).json() as Promise<{ ok: boolean; code?: string }>,
    vaultUrl: () => workers.url,
    operatorJwk: await exportJWK(operator.privateKey),
    fireCron: () => workers.fireCron(now()),
    logged: () => workers.logged(),
    /** New isolates on the same disk, with other bindings where a test says so. */
    restart: async ({ bindings = {}, ledger, whileDown = async () => {} }: Restart = {}) => {
      await workers.stop()
      await whileDown(join(dir, 'workers'))
      const merged = Object.entries({ ...honest, ...bindings }).filter(([, value]) => value !== null)
      workers = await boot(Object.fromEntries(merged) as Record<string, string>, ledger)
    },
    stop: async () => {
      await workers.stop()
      await sql.end({ timeout: 1 })
      await Promise.all([vaultDoor.stop(), ledgerDoor.stop(), auth.stop()])
      await database.stop()
      rmSync(dir, { recursive: true, force: true })
    },
  }
}

type Operator = { readonly key: CryptoKey; readonly vaultUrl: string; readonly at: number }

export async function askOperatorDoor(
  { key, vaultUrl, at }: Operator,
  op: OperatorOperation,
  body: object,
  { claims = {}, authorization }: OperatorCall = {},
): Promise<OperatorAnswer> {
  const text = JSON.stringify(body)
  const jwt = await signRequest(key, { op, text, at, claims: { ...OPERATOR, ...claims } })
  const response = await fetch(`${vaultUrl}${OPERATOR_DOOR_PATH}${op}`, {
    method: 'POST',
    body: text,
    headers: { authorization: authorization ?? `Bearer ${jwt}` },
  })
  const answer = (await response.json()) as Record<string, unknown> & { error?: { code: string } }
  return { status: response.status, code: answer.error?.code ?? null, body: answer }
}

export function newUser(): User {
  return { id: randomUUID(), session: randomUUID() }
}

function through(url: string, door: TcpSwitch): string {
  const parsed = new URL(url)
  parsed.port = String(door.port)
  return parsed.href
}

const SERVICE = { iss: SERVICE_JWT_ISSUER, aud: SERVICE_JWT_AUDIENCE }
const OPERATOR = { iss: OPERATOR_JWT_ISSUER, aud: OPERATOR_JWT_AUDIENCE }
type SignedRequest = { readonly op: string; readonly text: string; readonly at: number; readonly claims: JWTPayload }

async function signRequest(key: CryptoKey, { op, text, at, claims }: SignedRequest): Promise<string> {
  const seconds = Math.floor(at / 1000)
  const honest = {
    iat: seconds,
    exp: seconds + 30,
    jti: randomUUID(),
    op,
    body_sha256: createHash('sha256').update(text).digest('base64url'),
  }
  return new SignJWT({ ...honest, ...claims }).setProtectedHeader({ alg: 'EdDSA' }).sign(key)
}

/** Signs as Supabase Auth does, and publishes its key where the vault looks for it. */
async function startIssuer() {
  const { privateKey, publicKey } = await generateKeyPair('ES256', { extractable: true })
  const jwks = JSON.stringify({ keys: [{ ...(await exportJWK(publicKey)), kid: 'one', alg: 'ES256', use: 'sig' }] })
  const server = createServer((_, response) => response.setHeader('content-type', 'application/json').end(jwks))
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening))
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('a TCP server has no port')
  return {
    jwksUrl: `http://127.0.0.1:${address.port}/jwks.json`,
    sign: (user: User, at: number, claims: JWTPayload) => {
      const seconds = Math.floor(at / 1000)
      const honest = {
        iss: AUTH_ISSUER,
        aud: 'authenticated',
        sub: user.id,
        session_id: user.session,
        role: 'authenticated',
        iat: seconds,
        exp: seconds + 3600,
        aal: 'aal2',
        amr: [
          { method: 'totp', timestamp: seconds },
          { method: 'password', timestamp: seconds - 5 },
        ],
      }
      return new SignJWT({ ...honest, ...claims }).setProtectedHeader({ alg: 'ES256', kid: 'one' }).sign(privateKey)
    },
    stop: () => new Promise((closed) => server.close(closed)),
  }
}
