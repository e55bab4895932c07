/**
 * KekVersions: which KEK version wraps, which open, and which never again. No key is in here, only check values.
 *
 * Key: one object, named `kek`. A class of its own, bound by the vault alone: who can revoke a token must not be able to move
 * wrapping.
 * Invariants:
 *  - At most one version is `wrapping`. A version keeps its check value for good: another key under its number is refused.
 *  - `denied` ends in `draining` or `retired` and never opens a door again; `retired` is final.
 *  - A version is retired only with no row left under it, after the backup window, and with a census that says so.
 * Atomic because: every judgement is one synchronous turn; answers wait until SQLite has the change on disk. A release asks
 * here each time, so a denial holds for the very next one.
 */
import { DurableObject } from 'cloudflare:workers'
import { z } from 'zod'
import { equalConstantTime } from '../domain/bytes.ts'
import {
  BACKUP_WINDOW_MS,
  type BoundKek,
  type KekMove,
  type KekMoved,
  type KekState,
  type KekVersion,
  type KekVersionsApi,
  SEALS_IN_FLIGHT_MS,
} from '../domain/contracts/kek-versions.ts'
import { MAX_NOTE_CHARACTERS } from '../domain/note/signed-note.ts'
import { bytes32, fromBlob } from './columns.ts'

const MAX_VERSIONS = 1000
const MAX_MOVES = 1000
const Moment = z.int().nonnegative()
const Version = z.int().min(1).max(0xffffffff)
const Bound = z.strictObject({ version: Version, checkValue: bytes32 })
const Rows = z.array(z.strictObject({ version: Version, rows: z.int().nonnegative() })).max(MAX_VERSIONS)
const Retirement = z.strictObject({ version: Version, census: z.string().max(MAX_NOTE_CHARACTERS), at: Moment })

type Row = { version: number; state: KekState; check_value: ArrayBuffer; since: number; emptied_at: number | null }

export class KekVersions extends DurableObject<unknown> implements KekVersionsApi {
  readonly #sql: SqlStorage
  /** Asked with every release, changed a few times a year. */
  #known: readonly KekVersion[] | null = null

  constructor(context: DurableObjectState, env: unknown) {
    super(context, env)
    this.#sql = context.storage.sql
    this.#sql.exec(`CREATE TABLE IF NOT EXISTS versions (
      version INTEGER PRIMARY KEY,
      state TEXT NOT NULL,
      check_value BLOB NOT NULL,
      since INTEGER NOT NULL,
      emptied_at INTEGER
    )`)
    this.#sql.exec(`CREATE TABLE IF NOT EXISTS moves (
      position INTEGER PRIMARY KEY AUTOINCREMENT,
      version INTEGER NOT NULL,
      state TEXT NOT NULL,
      at INTEGER NOT NULL
    )`)
    this.#sql.exec(
      'CREATE TABLE IF NOT EXISTS censuses (version INTEGER PRIMARY KEY, note TEXT NOT NULL, at INTEGER NOT NULL)',
    )
  }

  async register(
    bound: readonly BoundKek[],
    at: number,
  ): Promise<{ ok: true; versions: readonly KekVersion[] } | { ok: false; code: 'kek_mismatch' }> {
    const keks = z.array(Bound).min(1).max(MAX_VERSIONS).parse(bound)
    const now = Moment.parse(at)
    const known = this.#versions()
    if (known.length === 0) {
      const newest = Math.max(...keks.map(({ version }) => version))
      for (const kek of keks) this.#add(kek, kek.version === newest ? 'wrapping' : 'opening', now)
    } else if (keks.some((kek) => isAnotherKey(known, kek))) {
      return { ok: false, code: 'kek_mismatch' }
    }
    return { ok: true, versions: this.#versions() }
  }

  async versions(): Promise<readonly KekVersion[]> {
    return this.#versions()
  }

  async history(): Promise<KekMove[]> {
    return this.#sql
      .exec<{ version: number; state: KekState; at: number }>(
        'SELECT version, state, at FROM moves ORDER BY position DESC LIMIT ?',
        MAX_MOVES,
      )
      .toArray()
      .reverse()
  }

  async admit(kek: BoundKek, at: number): Promise<KekMoved> {
    const [bound, now] = [Bound.parse(kek), Moment.parse(at)]
    const known = this.#of(bound.version)
    if (known === undefined) {
      this.#add(bound, 'opening', now)
      return { ok: true }
    }
    if (isAnotherKey([known], bound)) return { ok: false, code: 'kek_mismatch' }
    return known.state === 'opening' || known.state === 'wrapping' ? { ok: true } : { ok: false, code: 'kek_state' }
  }

  async promote(version: number, at: number): Promise<KekMoved> {
    const now = Moment.parse(at)
    const known = this.#of(Version.parse(version))
    if (known === undefined) return { ok: false, code: 'kek_unknown' }
    if (known.state === 'wrapping') return { ok: true }
    if (known.state !== 'opening') return { ok: false, code: 'kek_state' }
    for (const other of this.#versions()) if (other.state === 'wrapping') this.#move(other.version, 'opening', now)
    this.#move(version, 'wrapping', now)
    return { ok: true }
  }

  /** The one that wraps can be denied too: then nothing is wrapped until another is promoted. */
  async deny(version: number, at: number): Promise<KekMoved> {
    const now = Moment.parse(at)
    const known = this.#of(Version.parse(version))
    if (known === undefined) return { ok: false, code: 'kek_unknown' }
    if (known.state === 'retired') return { ok: false, code: 'kek_state' }
    if (known.state !== 'denied') this.#move(version, 'denied', now)
    return { ok: true }
  }

  async drain(version: number, at: number): Promise<KekMoved> {
    const now = Moment.parse(at)
    const known = this.#of(Version.parse(version))
    if (known === undefined) return { ok: false, code: 'kek_unknown' }
    if (known.state !== 'denied' && known.state !== 'draining') return { ok: false, code: 'kek_state' }
    if (known.state === 'denied') this.#move(version, 'draining', now)
    return { ok: true }
  }

  async noteRows(rows: Parameters<KekVersionsApi['noteRows']>[0], at: number): Promise<void> {
    const counted = new Map(Rows.parse(rows).map(({ version, rows: count }) => [version, count]))
    const now = Moment.parse(at)
    for (const { version, emptiedAt } of this.#versions()) {
      const isEmpty = (counted.get(version) ?? 0) === 0
      if (isEmpty === (emptiedAt !== null)) continue
      this.#sql.exec('UPDATE versions SET emptied_at = ? WHERE version = ?', isEmpty ? now : null, version)
      this.#known = null
    }
  }

  async retire(retirement: Parameters<KekVersionsApi['retire']>[0]): Promise<KekMoved> {
    const { version, census, at } = Retirement.parse(retirement)
    const known = this.#of(version)
    if (known === undefined) return { ok: false, code: 'kek_unknown' }
    if (known.state === 'retired') return { ok: true }
    if (known.state === 'wrapping') return { ok: false, code: 'kek_wraps' }
    if (known.emptiedAt === null || at - known.since < SEALS_IN_FLIGHT_MS) return { ok: false, code: 'kek_in_use' }
    if (at - known.emptiedAt < BACKUP_WINDOW_MS) return { ok: false, code: 'kek_backup_window' }
    this.#sql.exec('INSERT INTO censuses (version, note, at) VALUES (?, ?, ?)', version, census, at)
    this.#move(version, 'retired', at)
    return { ok: true }
  }

  async census(version: number): Promise<string | null> {
    const [kept] = this.#sql
      .exec<{ note: string }>('SELECT note FROM censuses WHERE version = ?', Version.parse(version))
      .toArray()
    return kept?.note ?? null
  }

  #versions(): readonly KekVersion[] {
    this.#known ??= this.#sql
      .exec<Row>('SELECT * FROM versions ORDER BY version')
      .toArray()
      .map(({ version, state, check_value, since, emptied_at }) => ({
        version,
        state,
        checkValue: fromBlob(check_value),
        since,
        emptiedAt: emptied_at,
      }))
    return this.#known
  }

  #of(version: number): KekVersion | undefined {
    return this.#versions().find((known) => known.version === version)
  }

  #add({ version, checkValue }: BoundKek, state: KekState, at: number): void {
    this.#sql.exec(
      'INSERT INTO versions (version, state, check_value, since) VALUES (?, ?, ?, ?)',
      version,
      state,
      checkValue,
      at,
    )
    this.#note(version, state, at)
  }

  #move(version: number, state: KekState, at: number): void {
    this.#sql.exec('UPDATE versions SET state = ?, since = ? WHERE version = ?', state, at, version)
    this.#note(version, state, at)
  }

  #note(version: number, state: KekState, at: number): void {
    this.#sql.exec('INSERT INTO moves (version, state, at) VALUES (?, ?, ?)', version, state, at)
    this.#known = null
  }
}

function isAnotherKey(known: readonly KekVersion[], { version, checkValue }: BoundKek): boolean {
  const same = known.find((one) => one.version === version)
  return same !== undefined && !equalConstantTime(same.checkValue, checkValue)
}
