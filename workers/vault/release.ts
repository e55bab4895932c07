import type { SealedRow } from '../../domain/audit/row.ts'
import { zeroize } from '../../domain/bytes.ts'
import type { Door } from '../../domain/contracts/durable-objects.ts'
import { AuditRowId } from '../../domain/contracts/ids.ts'
import type { RecordFault } from '../../domain/envelope/record.ts'
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
  // No key leaves by this door, and an endpoint's own rate keeps it from here: a flood at one must not freeze its tenant.
  gateway: 50_000,
  operator: 1000,
} satisfies Partial<Record<Door, number>>

/** Why a release that had its share gave no key: told in the sealed outcome row. Of all but the KEK's state no caller learns which. */
export type OpenFault =
  | OpeningRefusal
  | KekRefusal
  | RecordFault
  | 'dek_version_unknown'
  | 'wrap_not_openable'
  | 'salt_malformed'

/** What the share of one release can do, and only while `open` runs. */
export type Unlocked = {
  readonly unwrap: (context: WrapContext, wrap: Wrap) => Promise<Result<Uint8Array, OpenFault>>
  readonly wrap: (context: WrapContext, key: Uint8Array) => Promise<Result<Wrap, WrappingRefusal>>
}
export type Wrap = { readonly kekVersion: number; readonly wrapped: Uint8Array }

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
export type ReleaseRefusal = KekRefusal | AppendRefusal | OpeningRefusal | 'not_openable'

/**
 * Flow 2, the only way to a key: seal the intent, append it, and what the ledger's acknowledgement carries opens the
 * tenant's wraps. No row, no share; no share, no wrapping key. `open` derives what its door may hand out and keeps the
 * DEK to itself. A failure to open is one code to the caller and is told in the sealed outcome row. Which KEK versions open is
 * asked for beside the append, each time: a denial holds at once and costs no time of its own.
 */
export async function release<Opened>(
  visit: Visit,
  act: Act,
  open: (unlocked: Unlocked) => Promise<Result<Opened, OpenFault>>,
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
    await tell(opened.code)
    return failure(refusalOf(opened.code))
  } finally {
    zeroize(share)
  }
}

/** What an operator can mend, by deploying or promoting a version, keeps its name; the doors make one code of it all. */
function refusalOf(fault: OpenFault): KekRefusal | OpeningRefusal | 'not_openable' {
  switch (fault) {
    case 'dek_version_unknown':
    case 'wrap_not_openable':
    case 'salt_malformed':
    case 'record_malformed':
    case 'record_commitment_mismatch':
    case 'record_altered':
      return 'not_openable'
    default:
      return fault
  }
}

function unlockedBy(share: Uint8Array, ring: KekRing, opener: 'door' | 'rewrap'): Unlocked {
  return {
    unwrap: async (context, { kekVersion, wrapped }) => {
      const kek = ring.opening(kekVersion, opener)
      if (!kek.ok) return kek
      const key = await unwrapKey({ kek: kek.value, share, context, wrapped })
      return key.ok ? key : failure('wrap_not_openable')
    },
    wrap: async (context, key) => {
      const kek = ring.wrapping()
      if (!kek.ok) return kek
      const wrapped = await wrapKey({ kek: kek.value, share, context, key })
      return success({ kekVersion: kek.value.version, wrapped })
    },
  }
}
