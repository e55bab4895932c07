import { equalConstantTime } from '../../domain/bytes.ts'
import type { BoundKek, KekState, KekVersion } from '../../domain/contracts/kek-versions.ts'
import { isDemoKek, type Kek, kekCheckValue, parseKek } from '../../domain/envelope/kek.ts'
import { failure, type Result, success } from '../../domain/result.ts'
import type { Sql } from '../runtime/database.ts'
import { log } from '../runtime/log.ts'
import type { VaultBindings } from './bindings.ts'
import { PART, reach } from './call.ts'
import { askKekVersions } from './ledger.ts'
import type { Visit } from './visit.ts'

export type KekRefusal =
  | 'kek_missing'
  | 'kek_malformed'
  | 'kek_demo'
  | 'kek_mismatch'
  | 'store_unreachable'
  | 'ledger_unreachable'

/** Why a version that a wrap names does not open it. `kek_version_unknown`: another isolate has it; asking again can help. */
export type OpeningRefusal = 'kek_version_unknown' | 'kek_denied' | 'kek_retired'
/** Why nothing can be wrapped: this isolate lacks the version that wraps, or an operator denied it and promoted no other. */
export type WrappingRefusal = 'kek_version_unknown' | 'kek_denied'
/** Who opens: a door, the operator's re-wrapping, or the sealing of audit rows. */
export type Opener = 'door' | 'rewrap' | 'audit'

/**
 * An emergency in which no row could be written would be worse than one in which an audit key still opens: it opens no credential.
 * So a denied version goes on opening audit keys until they are wrapped anew.
 */
const OPENS: Record<KekState, readonly Opener[]> = {
  opening: ['door', 'rewrap', 'audit'],
  wrapping: ['door', 'rewrap', 'audit'],
  denied: ['audit'],
  draining: ['rewrap', 'audit'],
  retired: [],
}

/** The keys that this isolate has, under the states that were true a moment ago. */
export type KekRing = {
  /** Versions that open for re-wrapping and do not wrap: what is under them is to be moved. */
  readonly stale: readonly number[]
  readonly wrapping: () => Result<Kek, WrappingRefusal>
  readonly opening: (version: number, opener: Opener) => Result<Kek, OpeningRefusal>
}
export type JudgedKek = Kek & BoundKek

/** Judged once an isolate, before the first key: a mended configuration comes with new isolates. States are asked for each time. */
let judged: readonly JudgedKek[] | null = null

export async function judgeKeks(visit: Visit): Promise<Result<readonly JudgedKek[], KekRefusal>> {
  if (judged !== null) return success(judged)
  const keks = await judge(visit)
  if (keks.ok) judged = keks.value
  else log(PART, 'error', 'keks_refused', { code: keks.code })
  return keks
}

/** One call to the object that says which version wraps, which open and which no longer do. */
export async function currentKeks(visit: Visit): Promise<Result<KekRing, KekRefusal>> {
  const keks = await judgeKeks(visit)
  if (!keks.ok) return keks
  const versions = await askKekVersions(visit.bindings, (known) => known.versions())
  return versions.ok ? success(ringOf(keks.value, versions.value)) : versions
}

function ringOf(keks: readonly Kek[], versions: readonly KekVersion[]): KekRing {
  const boundOf = (version: number): Result<Kek, 'kek_version_unknown'> => {
    const kek = keks.find((bound) => bound.version === version)
    return kek === undefined ? failure('kek_version_unknown') : success(kek)
  }
  return {
    stale: versions.filter(({ state }) => state === 'opening' || state === 'draining').map(({ version }) => version),
    wrapping: () => {
      const version = versions.find(({ state }) => state === 'wrapping')?.version
      return version === undefined ? failure('kek_denied') : boundOf(version)
    },
    opening: (version, opener) => {
      const state = versions.find((known) => known.version === version)?.state
      if (state === undefined) return failure('kek_version_unknown')
      if (OPENS[state].includes(opener)) return boundOf(version)
      return failure(state === 'retired' ? 'kek_retired' : 'kek_denied')
    },
  }
}

async function judge({ bindings, sql, at }: Visit): Promise<Result<readonly JudgedKek[], KekRefusal>> {
  const parsed = parseKeks(bindings)
  if (!parsed.ok) return parsed
  const keks = await Promise.all(parsed.value.map(async (kek) => ({ ...kek, checkValue: await kekCheckValue(kek) })))
  const stored = await reach('store_unreachable', () => compareWithStore(keks, sql))
  if (!stored.ok) return stored
  const { mismatch, used } = stored.value
  if (mismatch) return failure('kek_mismatch')
  const bound = keks.map(({ version, checkValue }) => ({ version, checkValue }))
  const registered = await askKekVersions(bindings, (versions) => versions.register(bound, at))
  if (!registered.ok) return registered
  if (!registered.value.ok) return registered.value
  const { versions } = registered.value
  const lacks = used.filter((version) => keks.every((kek) => kek.version !== version))
  return lacks.some((version) => !isOutOfService(version, versions)) ? failure('kek_missing') : success(keks)
}

/** A version that opens nothing any more may be taken out of the configuration, whatever rows still name it. */
function isOutOfService(version: number, versions: readonly KekVersion[]): boolean {
  const state = versions.find((known) => known.version === version)?.state
  return state === 'denied' || state === 'retired'
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
async function compareWithStore(
  keks: readonly JudgedKek[],
  sql: Sql,
): Promise<{ readonly mismatch: boolean; readonly used: readonly number[] }> {
  const stored = await sql<{ kek_version: number; check_value: Uint8Array }[]>`
    select kek_version, check_value from flarewatch.kek_checks`
  const used = await usedVersions(sql)
  for (const { version, checkValue } of keks) {
    let known = stored.find(({ kek_version }) => kek_version === version)
    if (known === undefined) {
      if (used.includes(version)) return { mismatch: true, used }
      known = await keepCheckValue(version, checkValue, sql)
    }
    if (known === undefined || !equalConstantTime(checkValue, known.check_value)) return { mismatch: true, used }
  }
  return { mismatch: false, used }
}

async function usedVersions(sql: Sql): Promise<number[]> {
  const rows = await sql<{ version: number }[]>`select version from flarewatch.used_kek_versions() as version`
  return rows.map(({ version }) => version)
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
