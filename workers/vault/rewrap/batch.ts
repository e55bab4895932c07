import { equalConstantTime, lengthPrefixed, u32be, utf8, uuidToBytes, zeroize } from '../../../domain/bytes.ts'
import type { CredentialId, TenantId } from '../../../domain/contracts/ids.ts'
import { derivedUuid } from '../../../domain/derived-uuid.ts'
import { unwrapKey, wrapKey } from '../../../domain/envelope/wrap.ts'
import { failure, type Result, success } from '../../../domain/result.ts'
import { appendOutcome } from '../audit-append.ts'
import { currentKeks, type KekRefusal, type KekRing, type WrappingRefusal } from '../keks.ts'
import { askKekVersions, askLedger } from '../ledger.ts'
import { type Act, type OpenFault, type ReleaseRefusal, release, type Unlocked, type Wrap } from '../release.ts'
import type { Visit } from '../visit.ts'
import { type MovedWrap, readStaleWraps, type StaleWraps, type StoredWrap, storeMoved } from './wraps.ts'

/** What a batch left: the place to go on from, null when it was the tenant's last; and how many rows moved. */
export type BatchEnd = { readonly moved: number; readonly next: CredentialId | null }
export type BatchRefusal = KekRefusal | WrappingRefusal | ReleaseRefusal

type Rewrapped = { readonly moved: readonly MovedWrap[]; readonly failed: readonly StoredWrap[] }
type MoveOne = (stored: StoredWrap) => Promise<Result<Wrap, OpenFault>>

/**
 * One batch of a tenant: one release row, whose share opens each wrap under its old KEK version and closes it under the one that
 * wraps now. A wrap that does not open stays as it is and is told; the others go on. No ciphertext is touched or even read.
 */
export async function rewrapBatch(
  visit: Visit,
  tenantId: TenantId,
  after: CredentialId | null,
): Promise<Result<BatchEnd, BatchRefusal>> {
  const ring = await currentKeks(visit)
  if (!ring.ok) return ring
  const wrapping = lacks(ring.value)
  if (wrapping !== null) return failure(wrapping)
  if (ring.value.stale.length === 0) return success({ moved: 0, next: null })
  const stale = await readStaleWraps(visit, tenantId, ring.value.stale, after)
  const { count } = stale
  if (count === 0) return success({ moved: 0, next: null })
  const act: Act = {
    door: 'operator',
    opener: 'rewrap',
    tenantId,
    actor: 'operator',
    action: 'key.rewrap',
    target: `tenant:${tenantId}`,
    detail: { from: ring.value.stale.join(' '), wraps: String(count) },
  }
  const released = await release(visit, act, async (unlocked) => success(await moveUnderRelease(unlocked, stale)))
  if (!released.ok) return released
  const underRelease = released.value.opened
  const auditKeys = await moveAuditKeys(visit, ring.value, tenantId, stale.auditKeys)
  // First, so that a version which a row leaves now is not taken for one that has long been empty.
  const leaving = await askKekVersions(visit.bindings, (versions) => versions.noteLeaving(stale.versions))
  if (!leaving.ok) return leaving
  const moved = await storeMoved(visit, tenantId, [...underRelease.moved, ...auditKeys.moved])
  const failed = [...underRelease.failed, ...auditKeys.failed]
  await noteFailed(visit, tenantId, failed)
  const outcome = { succeeded: failed.length === 0, code: failed.length === 0 ? 'rewrapped' : 'wrap_not_openable' }
  await appendOutcome(visit, { ...act, rowId: released.value.intentRow }, outcome)
  return success({ moved, next: stale.next })
}

/** Asked before a row is made: this isolate must have every version that is in play. */
function lacks(ring: KekRing): WrappingRefusal | null {
  const wrapping = ring.wrapping()
  if (!wrapping.ok) return wrapping.code
  return ring.stale.every((version) => ring.opening(version, 'rewrap').ok) ? null : 'kek_version_unknown'
}

function moveUnderRelease({ unwrap, wrap }: Unlocked, { tenantKeys, credentials }: StaleWraps): Promise<Rewrapped> {
  return moveEach([...tenantKeys, ...credentials], ({ place, wrap: from }) =>
    movedKey(
      () => unwrap(place, from),
      (key) => wrap(place, key),
      (to) => unwrap(place, to),
    ),
  )
}

/** Under the audit share, which the ledger gives for sealing alone: the release row above is the record of this too. */
async function moveAuditKeys(
  visit: Visit,
  ring: KekRing,
  tenantId: TenantId,
  auditKeys: readonly StoredWrap[],
): Promise<Rewrapped> {
  if (auditKeys.length === 0) return { moved: [], failed: [] }
  const given = await askLedger(visit.bindings, tenantId, (ledger) => ledger.auditShare(tenantId))
  if (!given.ok || !given.value.ok) return { moved: [], failed: [] }
  const { share } = given.value
  const unwrap = async (context: StoredWrap['place'], { kekVersion, wrapped }: Wrap) => {
    const kek = ring.opening(kekVersion, 'audit')
    if (!kek.ok) return kek
    const key = await unwrapKey({ kek: kek.value, share, context, wrapped })
    return key.ok ? key : failure('wrap_not_openable')
  }
  try {
    return await moveEach(auditKeys, ({ place, wrap: from }) =>
      movedKey(
        () => unwrap(place, from),
        async (key) => {
          const kek = ring.wrapping()
          if (!kek.ok) return kek
          return success({
            kekVersion: kek.value.version,
            wrapped: await wrapKey({ kek: kek.value, share, context: place, key }),
          })
        },
        (to) => unwrap(place, to),
      ),
    )
  } finally {
    zeroize(share)
  }
}

async function moveEach(stored: readonly StoredWrap[], move: MoveOne): Promise<Rewrapped> {
  const ends = await Promise.all(stored.map(async (one) => ({ one, end: await move(one) })))
  return {
    moved: ends.flatMap(({ one, end }) => (end.ok ? [{ ...one, to: end.value }] : [])),
    failed: ends.flatMap(({ one, end }) => (end.ok ? [] : [one])),
  }
}

/** The old wrap is replaced only by one that was opened again and holds the same key. */
async function movedKey(
  open: () => Promise<Result<Uint8Array, OpenFault>>,
  close: (key: Uint8Array) => Promise<Result<Wrap, WrappingRefusal>>,
  reopen: (wrap: Wrap) => Promise<Result<Uint8Array, OpenFault>>,
): Promise<Result<Wrap, OpenFault>> {
  const key = await open()
  if (!key.ok) return key
  try {
    const closed = await close(key.value)
    if (!closed.ok) return closed
    const again = await reopen(closed.value)
    if (!again.ok) return again
    const same = equalConstantTime(key.value, again.value)
    zeroize(again.value)
    return same ? closed : failure('wrap_not_openable')
  } finally {
    zeroize(key.value)
  }
}

/** Once for each wrap and version, however often it is tried. */
async function noteFailed({ sql, at }: Visit, tenantId: TenantId, failed: readonly StoredWrap[]): Promise<void> {
  for (const { place, wrap } of failed) {
    const subject = place.purpose === 'credential-dek' ? place.credentialId : tenantId
    const named = [utf8(`rewrap_not_openable/${place.purpose}`), uuidToBytes(subject), u32be(place.keyVersion)]
    const id = derivedUuid(lengthPrefixed(...named, u32be(wrap.kekVersion)))
    const detail = { purpose: place.purpose, subject, kek_version: String(wrap.kekVersion) }
    await sql`insert into flarewatch.incidents (id, tenant_id, kind, seq, part, detail, at)
      values (${id}, ${tenantId}, 'rewrap_not_openable', null, 'vault', ${sql.json(detail)}, ${new Date(at)})
      on conflict do nothing`
  }
}
