import { equalConstantTime } from '../../domain/bytes.ts'
import { isDemoKek, type Kek, kekCheckValue, parseKek } from '../../domain/envelope/kek.ts'
import { failure, type Result, success } from '../../domain/result.ts'
import type { Sql } from '../runtime/database.ts'
import { log } from '../runtime/log.ts'
import type { VaultBindings } from './bindings.ts'
import { PART, reach } from './call.ts'

export type KekRefusal = 'kek_missing' | 'kek_malformed' | 'kek_demo' | 'kek_mismatch' | 'store_unreachable'

export type KekRing = {
  /** Wraps what is new; every other version only opens. */
  readonly newest: Kek
  readonly ofVersion: (version: number) => Kek | null
}

/** Judged once an isolate, before the first key: a mended configuration comes with new isolates. */
let judged: KekRing | null = null

export async function judgeKeks(bindings: VaultBindings, sql: Sql): Promise<Result<KekRing, KekRefusal>> {
  if (judged !== null) return success(judged)
  const ring = await judge(bindings, sql)
  if (ring.ok) judged = ring.value
  else log(PART, 'error', 'keks_refused', { code: ring.code })
  return ring
}

async function judge(bindings: VaultBindings, sql: Sql): Promise<Result<KekRing, KekRefusal>> {
  const keks = parseKeks(bindings)
  if (!keks.ok) return keks
  const stored = await reach('store_unreachable', () => compareWithStore(keks.value, sql))
  if (!stored.ok) return stored
  if (stored.value !== null) return failure(stored.value)
  const byVersion = new Map(keks.value.map((kek) => [kek.version, kek]))
  const newest = keks.value.reduce((one, other) => (other.version > one.version ? other : one))
  return success({ newest, ofVersion: (version) => byVersion.get(version) ?? null })
}

function parseKeks({ keks, DEMO_KEK_ACCEPTED }: VaultBindings): Result<[Kek, ...Kek[]], KekRefusal> {
  const parsed: Kek[] = []
  for (const { version, text } of keks) {
    const kek = parseKek(version, text)
    if (!kek.ok) return failure('kek_malformed')
    if (isDemoKek(kek.value.bytes) && !DEMO_KEK_ACCEPTED) return failure('kek_demo')
    parsed.push(kek.value)
  }
  const [first, ...others] = parsed
  return first === undefined ? failure('kek_missing') : success([first, ...others])
}

/**
 * The check value tells a wrong KEK before anything is wrapped under it. Where rows exist under a version without a check
 * value, somebody removed it, and any key could pass for the right one: that is a mismatch too.
 */
async function compareWithStore(keks: readonly Kek[], sql: Sql): Promise<'kek_mismatch' | 'kek_missing' | null> {
  const stored = await sql<{ kek_version: number; check_value: Uint8Array }[]>`
    select kek_version, check_value from flarewatch.kek_checks`
  const used = await usedVersions(sql)
  if (used.some((version) => keks.every((kek) => kek.version !== version))) return 'kek_missing'
  for (const kek of keks) {
    const ours = await kekCheckValue(kek)
    let known = stored.find(({ kek_version }) => kek_version === kek.version)
    if (known === undefined) {
      if (used.includes(kek.version)) return 'kek_mismatch'
      known = await keepCheckValue(kek.version, ours, sql)
    }
    if (known === undefined || !equalConstantTime(ours, known.check_value)) return 'kek_mismatch'
  }
  return null
}

async function usedVersions(sql: Sql): Promise<number[]> {
  const rows = await sql<{ kek_version: number }[]>`
    select kek_version from flarewatch.tenant_keys
    union select kek_version from flarewatch.audit_keys
    union select kek_version from flarewatch.credentials`
  return rows.map(({ kek_version }) => kek_version)
}

/** Reads back what is stored: of two first boots with different keys, one is told so. */
async function keepCheckValue(
  version: number,
  value: Uint8Array,
  sql: Sql,
): Promise<{ kek_version: number; check_value: Uint8Array } | undefined> {
  await sql`insert into flarewatch.kek_checks (kek_version, check_value)
    values (${version}, ${value}) on conflict do nothing`
  const [kept] = await sql<{ kek_version: number; check_value: Uint8Array }[]>`
    select kek_version, check_value from flarewatch.kek_checks where kek_version = ${version}`
  return kept
}
