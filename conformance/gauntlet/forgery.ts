import type { Agency } from '../agency.ts'
import type { Random } from '../random.ts'
import type { LogRow } from './log-rows.ts'
import type { SavedBucket, SavedFiles, Storage } from './storage.ts'
import type { Saved, Superuser } from './superuser.ts'

/** A true word for what was done, and the first sequence number that is wrong because of it. */
export type Name = { readonly kind: string; readonly seq: number | null }

/** What must be raised: by one of these names. */
export type Expected = {
  /** Null for what concerns no tenant in particular. */
  readonly tenantId: string | null
  readonly by: 'verifier' | 'client'
  readonly names: readonly Name[]
}

export type Forged = {
  readonly expected: readonly Expected[]
  /** Puts back exactly what was there. */
  readonly undo: (storage: Storage | null) => Promise<void>
}

/** A tenant of the gauntlet: its rows as they are, and what a backup of an earlier day has of it. */
export type Target = {
  readonly agency: Agency
  readonly tenantId: string
  /** As stored before anything was forged, all of them covered by a receipt. */
  readonly rows: readonly LogRow[]
  readonly older: { readonly size: number; readonly ledger: SavedFiles; readonly bucket: SavedBucket }
}

export type Scene = {
  readonly superuser: Superuser
  readonly targets: readonly Target[]
  /** The whole database as it was earlier, for every tenant of the gauntlet. */
  readonly older: Saved
  readonly logName: string
}

export type Forgery = {
  /** As the issue names it; several variants can be of one kind. */
  readonly kind: string
  readonly variant: string
  /** Whether files of the Workers' side are forged too, for which workerd has to be down. */
  readonly down: boolean
  readonly forge: (scene: Scene, target: Target, random: Random, storage: Storage | null) => Promise<Forged>
}

/** The number of rows, and so the number of the last. */
export function sizeOf({ rows }: Target): number {
  return rows.length
}

/** A place in the log; never the last row where what follows it matters. */
export function somewhere({ rows }: Target, random: Random, { before = 0, after = 0 } = {}): number {
  return 1 + before + random(rows.length - before - after)
}

export function rowAt({ rows }: Target, seq: number): LogRow {
  const row = rows[seq - 1]
  if (row === undefined) throw new Error(`there is no row ${seq}`)
  return row
}

export function another(scene: Scene, target: Target): Target {
  const index = scene.targets.indexOf(target)
  const other = scene.targets[(index + 1) % scene.targets.length]
  if (other === undefined || other === target) throw new Error('there is only one tenant')
  return other
}

export function needed(storage: Storage | null): Storage {
  if (storage === null) throw new Error('this needs workerd to be down')
  return storage
}
