import { z } from 'zod'
import type { AuditRowId, TenantId, UserId } from './ids.ts'

/** Derived from both public halves: the fingerprint that a person compares. */
export const OperatorKeyId = z.uuid().lowercase().brand<'OperatorKeyId'>()
export type OperatorKeyId = z.infer<typeof OperatorKeyId>

/** `unannounced`: the owners' mails are not in the outbox yet, so its 24 hours have not begun. */
export const OperatorKeyState = z.enum(['unannounced', 'waiting', 'active'])
export type OperatorKeyState = z.infer<typeof OperatorKeyState>

/** How long a key waits for which no other key of its member vouches. */
export const OPERATOR_KEY_WAIT_MS = 24 * 60 * 60_000
/** How long a sealed answer waits to be picked up, and a reveal to be answered. */
export const PICKUP_LIFETIME_MS = 5 * 60_000

/** `OperatorKeys`, one a tenant: `idFromName(tenantId)`. Times are decision times in Unix milliseconds, given by the caller. */
export interface OperatorKeysApi {
  /** The member's first key ever and one that is vouched for need no waiting. Asked again for the same key, it says how that stands. */
  enrol(request: EnrolRequest): Promise<EnrolAnswer>
  /** The owners' mails are in the outbox: from now on the key waits, or is active if it was its member's first. */
  announce(request: { readonly keyId: OperatorKeyId; readonly at: number }): Promise<EnrolAnswer>
  /** All keys of the tenant that were not removed. */
  list(at: number): Promise<OperatorKeyEntry[]>
  /** Ends a key, active or not, for good. Answers that wait under it go too. */
  remove(
    request: RemoveRequest,
  ): Promise<{ readonly ok: true } | { readonly ok: false; readonly code: 'operator_key_unknown' }>
  /** The public half that a reveal is to be sealed to, and a place for its answer. One place a pickup and one a row. */
  expect(request: RevealRequest): Promise<ExpectAnswer>
  /** Puts the sealed answer in its place, once. */
  deliver(
    request: DeliverRequest,
  ): Promise<{ readonly ok: true } | { readonly ok: false; readonly code: 'reveal_unknown' }>
  /** Gives the answer out and forgets it. Null while nothing waits there for this member. */
  collect(request: CollectRequest): Promise<SealedAnswer | null>
}

export type EnrolRequest = {
  readonly tenantId: TenantId
  readonly userId: UserId
  readonly publicKey: Uint8Array
  readonly vouch: { readonly keyId: OperatorKeyId; readonly signature: Uint8Array } | null
  readonly at: number
}
export type EnrolAnswer =
  | {
      readonly ok: true
      readonly keyId: OperatorKeyId
      readonly state: OperatorKeyState
      /** Its member's first key ever, which once announced does not wait. */
      readonly isFirst: boolean
      /** From when on reveals are sealed to it; null while unannounced. */
      readonly activeAt: number | null
    }
  | {
      readonly ok: false
      readonly code:
        | 'operator_key_malformed'
        | 'operator_key_taken'
        | 'operator_key_removed'
        | 'operator_key_unknown'
        | 'operator_keys_full'
        | 'vouch_invalid'
    }
export type OperatorKeyEntry = {
  readonly keyId: OperatorKeyId
  readonly userId: UserId
  readonly state: OperatorKeyState
  readonly enrolledAt: number
  readonly activeAt: number | null
}
export type RemoveRequest = { readonly keyId: OperatorKeyId; readonly at: number }
export type RevealRequest = {
  readonly userId: UserId
  readonly keyId: OperatorKeyId
  readonly pickupId: Uint8Array
  readonly intentRow: AuditRowId
  readonly at: number
}
export type ExpectAnswer =
  | { readonly ok: true; readonly publicKey: Uint8Array }
  | { readonly ok: false; readonly code: 'operator_key_unknown' | 'operator_key_waiting' | 'pickup_taken' }
export type DeliverRequest = {
  readonly userId: UserId
  readonly intentRow: AuditRowId
  readonly dekVersion: number
  readonly sealed: Uint8Array
  readonly at: number
}
export type CollectRequest = { readonly userId: UserId; readonly pickupSecret: Uint8Array; readonly at: number }
export type SealedAnswer = { readonly dekVersion: number; readonly sealed: Uint8Array }
