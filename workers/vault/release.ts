import type { SealedRow } from '../../domain/audit/row.ts'
import { zeroize } from '../../domain/bytes.ts'
import type { Door } from '../../domain/contracts/durable-objects.ts'
import { AuditRowId } from '../../domain/contracts/ids.ts'
import { unwrapKey, type WrapContext, wrapKey } from '../../domain/envelope/wrap.ts'
import { failure, type Result, success } from '../../domain/result.ts'
import { type AppendRefusal, type AuditEvent, appendOutcome, appendRow, sealEvent } from './audit-append.ts'
import {
  currentKeks,
  judgeKeks,
  type KekRefusal,
  type KekRing,
  type OpeningRefusal,
  type WrappingRefusal,
} from './keks.ts'
import type { Visit } from './visit.ts'

/** Key releases for one tenant in one hour. Over it the ledger freezes the tenant and raises an incident (T6). */
const BUDGET_PER_HOUR = {
  connector: 4000,
  edge: 200,
  operator: 1000,
} satisfies Partial<Record<Door, number>>

/** What the share of one release can do, and only while `open` runs. */
export type Unlocked = {
  readonly unwrap: (context: WrapContext, wrap: Wrap) => Promise<Result<Uint8Array, OpenRefusal>>
  readonly wrap: (context: WrapContext, key: Uint8Array) => Promise<Result<Wrap, WrappingRefusal>>
}
export type Wrap = { readonly kekVersion: number; readonly wrapped: Uint8Array }
export type OpenRefusal = OpeningRefusal | 'not_openable'

export type Act = AuditEvent & {
  readonly door: keyof typeof BUDGET_PER_HOUR
  /** Re-wrapping alone opens what an operator has denied to every door and then let drain. */
  readonly opener?: 'rewrap'
  /** For the one act that can be taken up again, a tenant's birth: the id that its row is to have, or the row sealed before. */
  readonly rowId?: AuditRowId
  readonly intent?: SealedRow
}
export type Released<Opened> = { readonly opened: Opened; readonly intentRow: AuditRowId; readonly place: Place }
type Place = { readonly seq: number; readonly hash: Uint8Array }
export type ReleaseRefusal = KekRefusal | AppendRefusal | OpenRefusal

/**
 * Flow 2, the only way to a key: seal the intent, append it, and what the ledger's acknowledgement carries opens the
 * tenant's wraps. No row, no share; no share, no wrapping key. `open` derives what its door may hand out and keeps the
 * DEK to itself. A failure to open is one code to the caller and is told in the sealed outcome row. Which KEK versions open is
 * asked for beside the append, each time: a denial holds at once and costs no time of its own.
 */
export async function release<Opened>(
  visit: Visit,
  act: Act,
  open: (unlocked: Unlocked) => Promise<Result<Opened, OpenRefusal>>,
): Promise<Result<Released<Opened>, ReleaseRefusal>> {
  const judged = await judgeKeks(visit)
  if (!judged.ok) return judged
  const { door, opener = 'door', rowId, intent, ...event } = act
  const row = intent === undefined ? await sealEvent(visit, event, rowId) : success(intent)
  if (!row.ok) return row
  const asked = { door, budgetPerHour: BUDGET_PER_HOUR[door] }
  const [answer, ring] = await Promise.all([appendRow(visit, act.tenantId, row.value, asked), currentKeks(visit)])
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
    const opened = ring.ok ? await open(unlockedBy(share, ring.value, opener)) : ring
    if (opened.ok) return success({ opened: opened.value, intentRow, place: { seq, hash } })
    await tell(opened.code === 'not_openable' ? 'wrap_not_openable' : opened.code)
    return opened
  } finally {
    zeroize(share)
  }
}

function unlockedBy(share: Uint8Array, ring: KekRing, opener: 'door' | 'rewrap'): Unlocked {
  return {
    unwrap: async (context, { kekVersion, wrapped }) => {
      const kek = ring.opening(kekVersion, opener)
      return kek.ok ? unwrapKey({ kek: kek.value, share, context, wrapped }) : kek
    },
    wrap: async (context, key) => {
      const kek = ring.wrapping()
      if (!kek.ok) return kek
      const wrapped = await wrapKey({ kek: kek.value, share, context, key })
      return success({ kekVersion: kek.value.version, wrapped })
    },
  }
}
