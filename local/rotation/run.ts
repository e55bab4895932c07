import { createHash } from 'node:crypto'
import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { toBase64Url } from '../../domain/bytes.ts'
import { generateKek } from '../../domain/envelope/kek.ts'
import { killWorkerd } from '../stands/kill-workerd.ts'
import { startVaultStand, type VaultStand } from '../stands/vault-stand.ts'
import { inParallel, storeCredentials } from './agencies.ts'
import { runCommand } from './command.ts'
import { type ReleaseCounts, releaseOnce, releasing } from './releases.ts'
import { seededPick } from './seeded.ts'

export type Scale = 'ci' | 'full'
export type RotationOptions = { readonly scale: Scale; readonly seed: number; readonly say: (line: string) => void }
export type RotationReport = {
  readonly ok: boolean
  readonly seed: number
  readonly scale: Scale
  readonly credentials: number
  readonly tenants: number
  readonly kills: number
  /** How often `flarewatch keys rotate` was started: once, and once more after each kill that it noticed. */
  readonly starts: number
  readonly releases_meanwhile: ReleaseCounts
  readonly releases_afterwards: ReleaseCounts
  readonly ciphertexts_unchanged: boolean
  readonly rows_left: number
  readonly rotation_ms: number
  readonly wraps_per_second: number
}

/**
 * `slow_row_ms`: at the small scale a pause in the database for each row, so that there is something to kill. `per_tenant` bounds a
 * batch, which is the grain in which a rotation can be caught half-way.
 */
const SCALES = {
  ci: { credentials: 160, per_tenant: 20, slow_row_ms: 20 },
  full: { credentials: 10_000, per_tenant: 150, slow_row_ms: 0 },
} as const
const KILL_AT = [0.15, 0.4, 0.65]
const RELEASERS = 3
const LOOK_EVERY_MS = 10
const MAX_STARTS = 10

/** V4: a rotation of real rows by the real command, while releases run, and workerd is killed three times on the way. */
export async function runRotation({ scale, seed, say }: RotationOptions): Promise<RotationReport> {
  const { credentials, per_tenant, slow_row_ms } = SCALES[scale]
  const stand = await startVaultStand()
  try {
    say(`storing ${credentials} credentials`)
    const held = await storeCredentials(stand, credentials, per_tenant)
    const before = await digestOfCiphertexts(stand)
    const bindings = { KEK_V2: toBase64Url(generateKek()) }
    await deploy(stand, bindings)
    await slowDown(stand, slow_row_ms)
    say('rotating while releases run')
    const releases = releasing(stand, held, seededPick(seed, held.length), RELEASERS)
    const began = Date.now()
    const killing = killOnTheWay(stand, bindings, credentials, say)
    const starts = await rotateUntilDone(stand, say)
    const rotation_ms = Date.now() - began
    const kills = await killing
    await releases.end()
    await slowDown(stand, 0)
    say('opening every record')
    const afterwards: ReleaseCounts = { released: 0, refused: 0, asked_again: 0 }
    await inParallel(held, RELEASERS, (one) => releaseOnce(stand, one, afterwards))
    const facts = {
      ciphertexts_unchanged: (await digestOfCiphertexts(stand)) === before,
      rows_left: await rowsUnderVersionOne(stand),
    }
    const tenants = new Set(held.map(({ tenant }) => tenant.id)).size
    const report = { seed, scale, credentials, tenants, kills, starts, rotation_ms, ...facts }
    return {
      ok: isSound(report, releases.counts, afterwards),
      ...report,
      releases_meanwhile: releases.counts,
      releases_afterwards: afterwards,
      wraps_per_second: Math.round(((credentials + 2 * tenants) * 1000) / rotation_ms),
    }
  } finally {
    await stand.stop()
  }
}

function isSound(
  report: Pick<RotationReport, 'credentials' | 'kills' | 'rows_left' | 'ciphertexts_unchanged'>,
  meanwhile: ReleaseCounts,
  afterwards: ReleaseCounts,
): boolean {
  return (
    report.kills === KILL_AT.length &&
    report.rows_left === 0 &&
    report.ciphertexts_unchanged &&
    meanwhile.released > 0 &&
    meanwhile.refused === 0 &&
    afterwards.refused === 0 &&
    afterwards.released === report.credentials
  )
}

/** The command finds the vault by `run.json`, as it would a stack's. */
async function deploy(stand: VaultStand, bindings: Record<string, string>): Promise<void> {
  await stand.restart({ bindings })
  writeFileSync(join(stand.dir, 'secrets', 'operator.key'), JSON.stringify(stand.operatorJwk), { mode: 0o600 })
  const nowhere = 'http://127.0.0.1:1'
  const run = { pid: process.pid, gateway_url: nowhere, supabase_url: nowhere, publishable_key: '', log_vkey: '' }
  writeFileSync(join(stand.dir, 'run.json'), JSON.stringify({ ...run, vault_url: stand.vaultUrl() }), { mode: 0o600 })
}

/** Kills workerd, vault, queue, ledgers and all, when a share of the rows has moved; then a deployment comes up again. */
async function killOnTheWay(
  stand: VaultStand,
  bindings: Record<string, string>,
  credentials: number,
  say: RotationOptions['say'],
): Promise<number> {
  let kills = 0
  for (const share of KILL_AT) {
    for (;;) {
      const moved = await movedCredentials(stand)
      if (moved === credentials) return kills
      if (moved >= share * credentials) break
      await sleep(LOOK_EVERY_MS)
    }
    kills += killWorkerd()
    say(`killed workerd with ${await movedCredentials(stand)} of ${credentials} moved`)
    rmSync(join(stand.dir, 'run.json'))
    await deploy(stand, bindings)
  }
  return kills
}

async function rotateUntilDone(stand: VaultStand, say: RotationOptions['say']): Promise<number> {
  for (let starts = 1; ; starts += 1) {
    const { status, stdout, stderr } = await runCommand(['keys', 'rotate', '--data', stand.dir, '--json'])
    for (const line of stderr.split('\n').filter(Boolean)) say(`  ${line}`)
    if (status === 0) return starts
    if (starts === MAX_STARTS) throw new Error(`the rotation did not complete: ${stdout}`)
    await sleep(LOOK_EVERY_MS * 20)
  }
}

async function slowDown({ sql }: VaultStand, ms: number): Promise<void> {
  await sql`drop trigger if exists slow on flarewatch.credentials`
  if (ms === 0) return
  await sql.unsafe(`
    create or replace function public.slow_row() returns trigger language plpgsql as $$
      begin perform pg_sleep(${ms / 1000}); return new; end $$;
    create trigger slow before update of kek_version on flarewatch.credentials
      for each row execute function public.slow_row()`)
}

async function movedCredentials({ sql }: VaultStand): Promise<number> {
  const [row] = await sql<{ count: number }[]>`
    select count(*)::int as count from flarewatch.credentials where kek_version = 2`
  return row?.count ?? 0
}

async function rowsUnderVersionOne({ sql }: VaultStand): Promise<number> {
  const [row] = await sql<{ count: number }[]>`
    select ((select count(*) from flarewatch.credentials where kek_version = 1)
      + (select count(*) from flarewatch.tenant_keys where kek_version = 1)
      + (select count(*) from flarewatch.audit_keys where kek_version = 1))::int as count`
  return row?.count ?? -1
}

async function digestOfCiphertexts({ sql }: VaultStand): Promise<string> {
  const rows = await sql<{ id: string; ciphertext: Uint8Array; salt: Uint8Array }[]>`
    select id, ciphertext, salt from flarewatch.credentials order by id`
  const digest = createHash('sha256')
  for (const { id, ciphertext, salt } of rows) digest.update(id).update(ciphertext).update(salt)
  return digest.digest('hex')
}
