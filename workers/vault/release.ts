import type { SealedRow } from '../../domain/audit/row.ts'
import { zeroize } from '../../domain/bytes.ts'
import type { Door } from '../../domain/contracts/durable-objects.ts'
import { AuditRowId } from '../../domain/contracts/ids.ts'
import { unwrapKey, type WrapContext, wrapKey } from '../../domain/envelope/wrap.ts'
import { failure, type Result, success } from '../../domain/result.ts'
import { type AppendRefusal, type AuditEvent, appendOutcome, appendRow, sealEvent } from './audit-append.ts'
import { judgeKeks, type KekRefusal, type KekRing } from './keks.ts'
import type { Visit } from './visit.ts'

/** Key releases for one tenant in one hour. Over it the ledger freezes the tenant and raises an incident (T6). */
const BUDGET_PER_HOUR = {
  connector: 4000,
  edge: 200,
  operator: 1000,
} satisfies Partial<Record<Door, number>>

/** Why a release that had its share gave no key: told in the sealed outcome row, and to no caller. */
export type OpenFault = 'kek_version_missing' | 'dek_version_unknown' | 'wrap_not_openable' | 'salt_malformed'

/** What the share of one release can do, and only while `open` runs. */
export type Unlocked = {
  readonly unwrap: (context: WrapContext, wrap: Wrap) => Promise<Result<Uint8Array, OpenFault>>
  readonly wrap: (context: WrapContext, key: Uint8Array) => Promise<Wrap>
}
export type Wrap = { readonly kekVersion: number; readonly wrapped: Uint8Array }

export type Act = AuditEvent & {
  readonly door: keyof typeof BUDGET_PER_HOUR
  /** For the one act that can be taken up again, a tenant's birth: the id that its row is to have, or the row sealed before. */
  readonly rowId?: AuditRowId
  readonly intent?: SealedRow
}
export type Released<Opened> = { readonly opened: Opened; readonly intentRow: AuditRowId; readonly place: Place }
type Place = { readonly seq: number; readonly hash: Uint8Array }
export type ReleaseRefusal = KekRefusal | AppendRefusal

/**
 * Flow 2, the only way to a key: seal the intent, append it, and what the ledger's acknowledgement carries opens the
 * tenant's wraps. No row, no share; no share, no wrapping key. `open` derives what its door may hand out and keeps the
 * DEK to itself. A failure to open is one code to the caller and is told in the sealed outcome row.
 */
export async function release<Opened>(
  visit: Visit,
  act: Act,
  open: (unlocked: Unlocked) => Promise<Result<Opened, OpenFault>>,
): Promise<Result<Released<Opened>, ReleaseRefusal>> {
  const ring = await judgeKeks(visit.bindings, visit.sql)
  if (!ring.ok) return ring
  const { door, rowId, intent, ...event } = act
  const row = intent === undefined ? await sealEvent(visit, event, rowId) : success(intent)
  if (!row.ok) return row
  const asked = { door, budgetPerHour: BUDGET_PER_HOUR[door] }
  const answer = await appendRow(visit, act.tenantId, row.value, asked)
  if (!answer.ok) return answer
  const intentRow = AuditRowId.parse(row.value.rowId)
  const tell = (code: string) => appendOutcome(visit, { ...event, rowId: intentRow }, { succeeded: false, code })

  if (!answer.value.ok) {
    const { code } = answer.value
    if (code === 'tenant_frozen' || code === 'budget_exceeded') await tell(code)
    return failure(code)
  }
  const { share, seq, hash } = answer.value
  if (share === null) return failure('already_released')
  try {
    const opened = await open(unlockedBy(share, ring.value))
    if (opened.ok) return success({ opened: opened.value, intentRow, place: { seq, hash } })
    await tell(opened.code)
    return failure('not_openable')
  } finally {
    zeroize(share)
  }
}

function unlockedBy(share: Uint8Array, ring: KekRing): Unlocked {
  return {
    unwrap: async (context, { kekVersion, wrapped }) => {
      const kek = ring.ofVersion(kekVersion)
      if (kek === null) return failure('kek_version_missing')
      const key = await unwrapKey({ kek, share, context, wrapped })
      return key.ok ? key : failure('wrap_not_openable')
    },
    wrap: async (context, key) => ({
      kekVersion: ring.newest.version,
      wrapped: await wrapKey({ kek: ring.newest, share, context, key }),
    }),
  }
}
