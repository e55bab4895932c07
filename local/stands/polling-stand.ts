import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { exportJWK, generateKeyPair } from 'jose'
import { convertV4MiniflareOptions, Log, LogLevel, Miniflare } from 'miniflare'
import postgres from 'postgres'
import { toBase64Url } from '../../domain/bytes.ts'
import type { OperatorOperation } from '../../domain/contracts/operator-door.ts'
import { generateDemoKek, type Kek } from '../../domain/envelope/kek.ts'
import { formatSignerKey, formatVkey, generateSigner, type NoteVerifier } from '../../domain/note/signed-note.ts'
import { startThrowawayPostgres } from '../postgres/throwaway.ts'
import { type CloudflareSimulator, startCloudflareSimulator } from '../simulators/cloudflare/simulator.ts'
import { type ResendSimulator, startResendSimulator } from '../simulators/resend/simulator.ts'
import { type StripeSimulator, startStripeSimulator } from '../simulators/stripe/simulator.ts'
import { type SupabaseSimulator, startSupabaseSimulator } from '../simulators/supabase/simulator.ts'
import { freePorts } from '../supervisor/ports.ts'
import { type WorkerName, workerOptions } from '../workers/worker-options.ts'
import { askOperatorDoor, type OperatorAnswer } from './vault-stand.ts'

const ROLES = {
  gateway: 'flarewatch_gateway',
  scheduler: 'flarewatch_scheduler',
  connector: 'flarewatch_connector',
  vault: 'flarewatch_vault',
  verifier: 'flarewatch_verifier',
  'durable-objects': 'flarewatch_ledger',
} as const
export const WORLD_SEED = 3
const NOBODYS_URL = 'http://auth.test'
const NOBODYS_KEY = JSON.stringify({ kty: 'OKP', crv: 'Ed25519', x: 'A'.repeat(43) })
const NAMES = ['scheduler', 'connector', 'vault', 'verifier', 'durable-objects'] as const
type PollingOptions = {
  /** What stands before them all. */
  readonly front?: readonly 'gateway'[]
  /** `machine`: as where the Workers are deployed. A clock that is set is asked for over HTTP, which costs a measurement more than what it measures. */
  readonly clock?: 'set' | 'machine'
}
const LOG_NAME = 'flarewatch.test/log'

/** Scheduler, queue, connector, vault, ledger and verifier as they run: real workerd, real Postgres; the provider is simulated. */
export type PollingStack = {
  readonly miniflare: Miniflare
  readonly sql: postgres.Sql
  readonly simulator: CloudflareSimulator
  readonly resend: ResendSimulator
  readonly stripe: StripeSimulator
  readonly supabase: SupabaseSimulator
  readonly kek: Kek
  readonly logs: string[]
  /** Of the gateway, where it was asked for, and the Postgres that it reaches. */
  readonly origin: string
  readonly gatewayDatabaseUrl: string
  readonly superuserUrl: string
  now: number
  /** The log's key, as an outsider has pinned it. */
  readonly log: NoteVerifier
  readonly operatorCall: (op: OperatorOperation, body: object) => Promise<OperatorAnswer>
  readonly stop: () => Promise<void>
}

export async function startPollingStack(
  now: number,
  { front = [], clock: kind = 'set' }: PollingOptions = {},
): Promise<PollingStack> {
  const dir = mkdtempSync(join(tmpdir(), 'flarewatch-polling-'))
  for (const folder of ['tmp', 'pages']) mkdirSync(join(dir, folder))
  const names = [...front, ...NAMES]
  const [database, ports] = await Promise.all([startThrowawayPostgres(), freePorts('gateway', ...NAMES)])
  const kek = { version: 1, bytes: generateDemoKek() }
  const clock = () => (kind === 'set' ? stack.now : Date.now())
  const operator = await generateKeyPair('EdDSA', { extractable: true })
  const signer = await generateSigner(LOG_NAME)
  const simulator = await startCloudflareSimulator({ seed: WORLD_SEED, log: () => {}, now: clock })
  const resend = await startResendSimulator({ seed: WORLD_SEED, log: () => {}, now: clock })
  const stripe = await startStripeSimulator({ seed: WORLD_SEED, log: () => {}, now: clock })
  const supabase = await startSupabaseSimulator({ seed: WORLD_SEED, log: () => {}, now: clock })
  const bindings: Partial<Record<WorkerName, Record<string, string>>> = {
    connector: {
      CLOUDFLARE_API_URL: simulator.apiUrl,
      RESEND_API_URL: resend.apiUrl,
      STRIPE_API_URL: stripe.apiUrl,
      CLIENT_SUPABASE_API_URL: supabase.apiUrl,
    },
    vault: {
      KEK_V1: toBase64Url(kek.bytes),
      DEMO_KEK_ACCEPTED: 'true',
      EDGE_SERVICE_PUBLIC_KEY: NOBODYS_KEY,
      OPERATOR_PUBLIC_KEY: JSON.stringify(await exportJWK(operator.publicKey)),
      LOG_VKEY: '',
    },
    verifier: { LOG_NAME, RECEIPT_SIGNING_KEY: formatSignerKey(signer) },
    gateway: {
      AUTH_ISSUER: NOBODYS_URL,
      AUTH_JWKS_URL: NOBODYS_URL,
      SUPABASE_URL: NOBODYS_URL,
      PUBLISHABLE_KEY: 'sb_publishable_test',
      LOG_VKEY: formatVkey(signer),
    },
  }
  const workers = []
  // One after the other: wrangler reads the connection string from one environment variable.
  for (const name of names) {
    const databaseUrl = database.pooledUrlFor(ROLES[name])
    const worker = await workerOptions(name, {
      bindings: bindings[name] ?? {},
      databaseUrl,
      port: ports[name],
      clock: kind === 'set' ? clock : undefined,
    })
    const assets = worker.assets === undefined ? undefined : { ...worker.assets, directory: join(dir, 'pages') }
    workers.push({ ...worker, assets } as typeof worker)
  }
  const logs: string[] = []
  const miniflare = new Miniflare(
    convertV4MiniflareOptions({
      workers,
      host: '127.0.0.1',
      port: 0,
      cf: false,
      telemetry: { enabled: false },
      resourcePersistencePath: join(dir, 'state'),
      resourceTmpPath: join(dir, 'tmp'),
      log: new Log(LogLevel.NONE),
      handleStructuredLogs: ({ message }) => logs.push(message),
    }),
  )
  await miniflare.ready
  const sql = postgres(database.superuserUrl, { max: 2, onnotice: () => {} })
  const stack: PollingStack = {
    miniflare,
    sql,
    simulator,
    resend,
    stripe,
    supabase,
    kek,
    logs,
    origin: `http://127.0.0.1:${ports.gateway}`,
    gatewayDatabaseUrl: database.pooledUrlFor('flarewatch_gateway'),
    superuserUrl: database.superuserUrl,
    now,
    log: { name: LOG_NAME, publicKey: signer.publicKey },
    operatorCall: (op, body) =>
      askOperatorDoor({ key: operator.privateKey, vaultUrl: `http://127.0.0.1:${ports.vault}`, at: clock() }, op, body),
    stop: async () => {
      await miniflare.dispose()
      await sql.end()
      await Promise.all([simulator.stop(), resend.stop(), stripe.stop(), supabase.stop()])
      await database.stop()
      rmSync(dir, { recursive: true, force: true })
    },
  }
  return stack
}
