/** RPC of `KekVersions`, one object: `idFromName('kek')`. Which KEK version wraps and which still open, in the trust domain that Postgres is not. */
export const KEK_VERSIONS_NAME = 'kek'

/**
 * - `opening`: opens what was wrapped with it and wraps nothing;
 * - `wrapping`: wraps what is new, and opens; one version at a time;
 * - `denied`: opens nothing at any door;
 * - `draining`: was denied, and opens for the operator's re-wrapping alone;
 * - `retired`: opens nothing, for good.
 */
export type KekState = 'opening' | 'wrapping' | 'denied' | 'draining' | 'retired'

export type KekVersion = {
  readonly version: number
  readonly state: KekState
  /** 32 bytes (docs/formats.md): the key that this version has been since it was first seen. */
  readonly checkValue: Uint8Array
  /** When it came into this state, in Unix milliseconds. */
  readonly since: number
  /** When no row was left under it for the first time since the last one was; null while rows are, or nobody has counted. */
  readonly emptiedAt: number | null
}
export type BoundKek = { readonly version: number; readonly checkValue: Uint8Array }
export type KekMove = { readonly version: number; readonly state: KekState; readonly at: number }

/** How long old backups may still need a version: as long as the longest that is kept. */
export const BACKUP_WINDOW_MS = 35 * 24 * 3_600_000
/** Longer than any seal under way when another version began to wrap: until then a row may still arrive under the old one. */
export const SEALS_IN_FLIGHT_MS = 15 * 60_000

/** Why a version does not move to another state. */
export type KekMoveRefusal =
  | 'kek_unknown'
  | 'kek_mismatch'
  | 'kek_state'
  | 'kek_wraps'
  | 'kek_in_use'
  | 'kek_backup_window'
export type KekMoved = { readonly ok: true } | { readonly ok: false; readonly code: KekMoveRefusal }

export interface KekVersionsApi {
  /** What a vault isolate has bound. Where no version is known yet, the newest of these wraps and the others open. */
  register(
    bound: readonly BoundKek[],
    at: number,
  ): Promise<
    | { readonly ok: true; readonly versions: readonly KekVersion[] }
    | { readonly ok: false; readonly code: 'kek_mismatch' }
  >
  versions(): Promise<readonly KekVersion[]>
  /** Every change of a state, oldest first. */
  history(): Promise<readonly KekMove[]>
  /** A new version opens from now on. */
  admit(kek: BoundKek, at: number): Promise<KekMoved>
  /** From now on this version wraps, and the one that did only opens. */
  promote(version: number, at: number): Promise<KekMoved>
  deny(version: number, at: number): Promise<KekMoved>
  drain(version: number, at: number): Promise<KekMoved>
  /** What a count of all rows found: how many are under each version; one that is not named has none. */
  noteRows(rows: readonly { readonly version: number; readonly rows: number }[], at: number): Promise<void>
  /** Refused while a row is left, while a seal may be in flight, or while a backup may need the version. `census` is kept. */
  retire(retirement: { readonly version: number; readonly census: string; readonly at: number }): Promise<KekMoved>
  census(version: number): Promise<string | null>
}
