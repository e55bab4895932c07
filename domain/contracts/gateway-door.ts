import type { z } from 'zod'
import type { AuditEntry, AuditOrder } from './api.ts'
import type { SessionId, TenantId } from './ids.ts'

/** Rows strictly between two sequence numbers, whose content equals each value that is given. */
export type AuditQuery = {
  readonly tenantId: TenantId
  readonly afterSeq: number
  readonly beforeSeq: number | null
  readonly order: z.output<typeof AuditOrder>
  readonly actor: string | null
  readonly action: string | null
  readonly target: string | null
  readonly limit: number
}

export type UnsealedAudit = {
  readonly ok: true
  readonly rows: readonly z.output<typeof AuditEntry>[]
  /** Where the next page starts, oldest first; null when this one reached the end, and for the other order. */
  readonly nextAfterSeq: number | null
  /** The same, newest first. */
  readonly nextBeforeSeq: number | null
}

/** Which of the caller's own sessions. */
export type SessionEnding =
  | { readonly which: 'one'; readonly sessionId: SessionId }
  | { readonly which: 'others' | 'all' }
export type SessionsEnded = { readonly ok: true; readonly ended: number }

/** Why the vault unsealed or ended nothing. */
export type GatewayDoorRefusal = {
  readonly ok: false
  readonly code:
    | 'user_token_invalid'
    | 'session_ended'
    | 'session_expired'
    | 'session_unknown'
    | 'aal2_required'
    | 'not_a_member'
    | 'tenant_frozen'
    | 'budget_exceeded'
    | 'ledger_unreachable'
    | 'ledger_refused'
    | 'store_unreachable'
    | 'not_openable'
}

/** RPC of the vault for the gateway. The vault verifies the user's own token: the gateway's word alone unseals and ends nothing. */
export interface GatewayDoorApi {
  /** Whether the vault could release a key now; `code` is that of its refusal to start. */
  ready(): Promise<{ readonly ok: true } | { readonly ok: false; readonly code: string }>
  unsealAudit(userJwt: string, query: AuditQuery): Promise<UnsealedAudit | GatewayDoorRefusal>
  /** Told in every agency that the person can act in, and then done. */
  endSessions(userJwt: string, ending: SessionEnding): Promise<SessionsEnded | GatewayDoorRefusal>
}
