import { z } from 'zod'
import { WebhookProvider } from '../webhooks/judge.ts'
import { CredentialGrade } from './functions.ts'
import { AuditRowId, CredentialId, JobId, SessionId, SiteId, TenantId, UserId, WebhookEndpointId } from './ids.ts'
import { Provider } from './providers.ts'
import { Role } from './roles.ts'
import { RunState } from './runs.ts'
import { Tier } from './tiers.ts'

/** The gateway's `/api`. The tenant is named by this header; without it, the user's oldest membership. */
export const TENANT_HEADER = 'flarewatch-tenant'

export const ErrorBody = z.object({
  error: z.object({
    code: z.string(),
    message: z.string(),
    request_id: z.string(),
    /** The provider's own names of what a refused key may not or must be allowed. */
    permissions: z.array(z.string()).optional(),
  }),
})

/** `GET /api/config`, public: what the browser needs to sign in. */
export const ConfigResponse = z.object({ supabase_url: z.url(), publishable_key: z.string() })

export const MeResponse = z.object({
  user: z.object({ id: UserId, email: z.string(), aal: z.enum(['aal1', 'aal2']), totp_enrolled: z.boolean() }),
  tenants: z.array(
    z.object({ id: TenantId, name: z.string(), role: Role, tier: Tier, state: z.enum(['pending', 'active']) }),
  ),
})

/** `GET /api/members` (AAL2). `invitations` is empty for who may not invite, `resets` for who may not reset. */
export const MemberLine = z.object({
  user_id: UserId,
  /** Null when the account is gone from Auth. */
  email: z.string().nullable(),
  role: Role,
  totp_enrolled: z.boolean(),
  created_at: z.iso.datetime(),
})
export const InvitationLine = z.object({
  id: z.uuid(),
  email: z.string(),
  role: Role,
  created_at: z.iso.datetime(),
  expires_at: z.iso.datetime(),
})
/** A reset of a member's second factor that waits or can be finished. */
export const MemberResetLine = z.object({
  user_id: UserId,
  requested_at: z.iso.datetime(),
  due_at: z.iso.datetime(),
  expires_at: z.iso.datetime(),
})
export const MembersResponse = z.object({
  members: z.array(MemberLine),
  invitations: z.array(InvitationLine),
  resets: z.array(MemberResetLine),
})

/** `GET /api/sessions` (AAL2): the person's own that are live. User agent and address are what Supabase Auth keeps of them. */
export const SessionLine = z.object({
  id: SessionId,
  begun_at: z.iso.datetime(),
  used_at: z.iso.datetime(),
  user_agent: z.string().nullable(),
  ip: z.string().nullable(),
  aal: z.enum(['aal1', 'aal2']),
  /** The one that asks. */
  current: z.boolean(),
})
export const SessionsResponse = z.object({ sessions: z.array(SessionLine) })
/** `DELETE /api/sessions/{id}` ends one, `DELETE /api/sessions?which=…` several. Both AAL2. */
export const SessionsToEnd = z.enum(['others', 'all'])
export const SessionsEnded = z.object({ ended: z.int().nonnegative() })

export const SiteSummary = z.object({
  id: SiteId,
  name: z.string(),
  provider: Provider,
  time_zone: z.string(),
  credential_id: CredentialId,
  /** When a poll found that the key reaches it; null for one that came with its key. */
  found_at: z.iso.datetime().nullable(),
  /** Since then the key reaches it no more: it is not polled, and its figures stay. */
  removed_at: z.iso.datetime().nullable(),
})
export const SitesResponse = z.object({ sites: z.array(SiteSummary) })

export const Grain = z.enum(['hour', 'day'])
export const MetricName = z.enum([
  'requests',
  'visits',
  'bytes',
  'cached_bytes',
  'unique_visitors',
  'responses_1xx',
  'responses_2xx',
  'responses_3xx',
  'responses_4xx',
  'responses_5xx',
  'threats',
  'emails_sent',
  'emails_delivered',
  'emails_delayed',
  'emails_bounced',
  'emails_complained',
  'emails_suppressed',
  'spf_unverified',
  'dkim_unverified',
  'gross_revenue',
  'refunds',
  'disputes',
  'fees',
  'net_revenue',
  'payouts',
  'balance_charge',
  'balance_charge_failure',
  'balance_refund',
  'balance_refund_failure',
  'balance_partial_capture_reversal',
  'balance_dispute',
  'balance_dispute_reversal',
  'balance_fee',
  'balance_tax',
  'balance_other_adjustment',
  'balance_platform_earning',
  'balance_platform_earning_refund',
  'balance_transfer',
  'balance_transfer_reversal',
  'balance_topup',
  'balance_topup_reversal',
  'balance_payout',
  'balance_payout_reversal',
  'balance_other',
  'mrr',
  'active_subscriptions',
  'new_subscriptions',
  'churned_subscriptions',
  'unpriced_subscriptions',
  'project_active',
  'database_bytes',
  'database_connections',
  'database_connection_limit',
  'slow_statements',
  'function_errors',
])
/** `minor`: money, in the smallest unit of its series' currency. */
export const Unit = z.enum(['count', 'bytes', 'minor'])
/**
 * Where a number comes from: dataset, when it was fetched, sampling (1 = every event counted) and whether the window had ended. A day that
 * is made of the hours of its UTC day has the source `rollup:` and the hours' dataset.
 */
export const Provenance = z.object({
  source: z.string(),
  fetched_at: z.iso.datetime(),
  sampling: z.number(),
  completeness: z.enum(['complete', 'partial']),
})
export const MetricPoint = z.object({
  at: z.iso.datetime(),
  value: z.number(),
  completeness: Provenance.shape.completeness,
  /** Only where a figure was final and the provider changed it later: when that was fetched, and what it was before. */
  corrected: z.object({ at: z.iso.datetime(), previous_value: z.number() }).optional(),
})
export const MetricSeries = z.object({
  metric: MetricName,
  unit: Unit,
  /** ISO 4217; null unless the unit is `minor`. One metric has a series for each. */
  currency: z.string().nullable(),
  total: z.number(),
  /** The same metric over the window of equal length just before; null where no fact covers it. */
  previous_total: z.number().nullable(),
  points: z.array(MetricPoint),
  /** The newest point's provenance, with the coarsest sampling of any; null for a series without points. */
  provenance: Provenance.nullable(),
})
/** `GET /api/sites/{id}/metrics?grain=hour|day&from=&to=`: half-open window in UTC, of hours none that begins more than 90 days ago. */
export const MetricsResponse = z.object({
  site_id: SiteId,
  grain: Grain,
  from: z.iso.datetime(),
  to: z.iso.datetime(),
  series: z.array(MetricSeries),
})

export const TopDimension = z.enum(['country', 'path'])
/**
 * `GET /api/sites/{id}/top?dimension=country|path&from=&to=`: requests by country or path over the UTC days that begin in [from, to). Of
 * each day the largest shares are kept by name, so a value is at least what is said; the rest is in `total` all the same.
 */
export const TopResponse = z.object({
  site_id: SiteId,
  dimension: TopDimension,
  from: z.iso.datetime(),
  to: z.iso.datetime(),
  /** All requests of those days, named or not. */
  total: z.number(),
  /** How many days have been read. */
  days: z.int(),
  /** The largest first. A country is ISO 3166-1 alpha-2, or the provider's own code such as `T1` for Tor; a path has no query. */
  rows: z.array(z.object({ key: z.string(), value: z.number() })).max(10),
  /** The newest day's, with the coarsest sampling of any; null where no day was read. */
  provenance: Provenance.nullable(),
})

/** How a credential that is polled fares. What is counted and how is in docs/run-states.md. */
export const CredentialHealth = z.object({
  /** The last run that ended; null before the first. What a reason means is in `domain/runs/words.ts`. */
  last_run: z
    .object({ state: RunState.nullable(), reason: z.string().nullable(), ended_at: z.iso.datetime() })
    .nullable(),
  /** Up to here the site that is furthest behind is read to its end; null while one of them is not read at all. */
  complete_until: z.iso.datetime().nullable(),
  lag_seconds: z.number().nullable(),
  /** Null while it is parked. */
  next_run_at: z.iso.datetime().nullable(),
  error_budget: z.object({
    runs: z.int(),
    incomplete: z.int(),
    /** 1: untouched, 0: used up, below: overdrawn. Null where no run counts. */
    left: z.number().nullable(),
  }),
})
export type CredentialHealth = z.infer<typeof CredentialHealth>
/** Lints of a Supabase database have the names that splinter gives them. */
export const FindingKind = z.enum([
  'rls_disabled_in_public',
  'policy_exists_rls_disabled',
  'auth_users_exposed',
  'security_definer_view',
  'rls_references_user_metadata',
  'rls_policy_always_true',
  'anon_security_definer_function_executable',
  'function_search_path_mutable',
  'extension_in_public',
  'duplicate_index',
  'unindexed_foreign_keys',
  'no_primary_key',
  'rls_enabled_no_policy',
  'slow_statement',
  'spf_record_unverified',
  'dkim_record_unverified',
  'mail_record_unverified',
])
export const FindingLevel = z.enum(['error', 'warning', 'info'])
/** One stretch of time in which one subject had one fault: it appeared at `first_seen`, and disappeared at `resolved_at`. */
export const FindingLine = z.object({
  kind: FindingKind,
  level: FindingLevel,
  /** What it was found on, by the provider's own name for it. */
  subject: z.string(),
  detail: z.string().nullable(),
  first_seen: z.iso.datetime(),
  last_seen: z.iso.datetime(),
  resolved_at: z.iso.datetime().nullable(),
})
/** `GET /api/sites/{id}/findings`: all that are open, the gravest first, and those resolved in the last 30 days, the newest first. */
export const FindingsResponse = z.object({
  site_id: SiteId,
  open: z.array(FindingLine),
  resolved: z.array(FindingLine),
  /** Whether there are others than those listed. */
  more: z.boolean(),
})

export const WebhookDay = z.object({
  day: z.iso.date(),
  delivered: z.int(),
  /** Of those, how many had come before. */
  duplicates: z.int(),
  /** Found in the provider's list, never delivered until then. */
  gaps: z.int(),
})
/** How far what lies before an account's first poll is read, or a window that somebody had read again. */
export const CredentialHistory = z.object({
  /** `stopped`: of some site the rest was given up. */
  state: z.enum(['open', 'done', 'stopped']),
  /** 100 only when nothing is open. */
  percent: z.int().min(0).max(100),
  /** At the pace so far; null before there is one, and at the end. */
  remaining_seconds: z.int().nullable(),
  /** From here on the figures of all its sites are stored. */
  oldest_at: z.iso.datetime(),
  /** Whether it is a window that is read again. */
  resync: z.boolean(),
  /** Why it waits or was stopped: a stable word. */
  reason: z.string().nullable(),
})
export type CredentialHistory = z.infer<typeof CredentialHistory>

export const CredentialLine = z.object({
  id: CredentialId,
  provider: Provider,
  label: z.string(),
  last4: z.string(),
  scope: z.string(),
  grade: CredentialGrade,
  /** What the provider lists for the token, in words, and what of it goes beyond reading the figures (T5). */
  can: z.array(z.string()),
  excess: z.array(z.string()),
  state: z.enum(['active', 'parked']),
  /** Stable reason such as `provider_unauthorized`, when parked or failing; null when healthy. */
  reason: z.string().nullable(),
  last_used_at: z.iso.datetime().nullable(),
  last_success_at: z.iso.datetime().nullable(),
  created_at: z.iso.datetime(),
  rotated_at: z.iso.datetime().nullable(),
  /** Since then the token is destroyed, here as everywhere; its sites keep their figures. */
  deleted_at: z.iso.datetime().nullable(),
  /** The credential whose account this one signs webhooks for; null for what a provider is asked with. */
  webhook_of: CredentialId.nullable(),
  /** Where this account delivers its webhooks, below the gateway's address, and what came; null where none was set up. */
  webhook: z
    .object({
      endpoint_id: WebhookEndpointId,
      provider: WebhookProvider,
      accepted: z.int(),
      last_received_at: z.iso.datetime().nullable(),
      /** Up to when what came was compared with the provider's own list; null before the first time. */
      reconciled_until: z.iso.datetime().nullable(),
      /** Why the last comparison could not be made: a stable word; null when it was. */
      reconcile_code: z.string().nullable(),
      /** The last thirty UTC days on which anything came, the newest first. */
      days: z.array(WebhookDay),
    })
    .nullable(),
  /** Null for what signs webhooks and for what was deleted: neither is polled. */
  health: CredentialHealth.nullable(),
  /** Null where nothing was polled yet, and where the provider keeps no history. */
  history: CredentialHistory.nullable(),
})
export const CredentialsResponse = z.object({ credentials: z.array(CredentialLine) })

/** `GET /api/dead-letters` and `/api/dead-letters/{id}` (AAL2): runs that every try failed of, the newest first, at most 100. */
export const DeadLetterLine = z.object({
  id: JobId,
  kind: z.string(),
  credential_id: CredentialId,
  provider: Provider,
  label: z.string(),
  reason: z.string().nullable(),
  /** How often it was leased; each lease is up to six tries. */
  tries: z.int(),
  created_at: z.iso.datetime(),
  died_at: z.iso.datetime(),
  /** A later run of this kind was complete, so that nothing is missing. */
  made_good: z.boolean(),
  /** By whom, when, and what the job that took its place came to. */
  replay: z
    .object({
      at: z.iso.datetime(),
      by: UserId,
      job_id: JobId,
      /** `gone`: its job is older than a week, and was dropped. */
      state: z.enum(['under_way', 'gone', ...RunState.options]),
      reason: z.string().nullable(),
    })
    .nullable(),
})
export const DeadLettersResponse = z.object({
  dead_letters: z.array(DeadLetterLine),
  /** Whether there are older ones than those listed. */
  more: z.boolean(),
})
export const DeadLetterResponse = z.object({ dead_letter: DeadLetterLine })

/**
 * `GET /api/audit?after_seq=&before_seq=&order=oldest|newest&actor=&action=&target=&limit=` (AAL2): rows strictly between the two
 * numbers whose content equals each filter given. Content is unsealed by the vault; one `audit.read` row a request.
 */
export const AuditOrder = z.enum(['oldest', 'newest'])
/** Longer than any actor, action or target of ours. */
export const MAX_FILTER_CHARACTERS = 128
/** How an act ended that was announced: `unknown` when ten minutes have brought no outcome row. */
export const AuditOutcome = z.discriminatedUnion('state', [
  z.object({ state: z.enum(['succeeded', 'failed']), seq: z.int(), at: z.iso.datetime(), code: z.string() }),
  z.object({ state: z.enum(['open', 'unknown']) }),
])
export const AuditEntry = z.object({
  seq: z.int(),
  row_id: AuditRowId,
  at: z.iso.datetime(),
  hash: z.string(),
  actor: z.string(),
  action: z.string(),
  target: z.string(),
  detail: z.record(z.string(), z.string()),
  /** Null for a record of something that has no ending of its own, and for outcome rows themselves. */
  outcome: AuditOutcome.nullable(),
})
/** The next page starts at whichever of the two is not null; both are when this one reached the end. */
export const AuditResponse = z.object({
  rows: z.array(AuditEntry),
  next_after_seq: z.int().nullable(),
  next_before_seq: z.int().nullable(),
})

/**
 * Rows 1 to `through_seq` were pruned when their retention had ended. The certificate of the last of those epochs, a signed note, says
 * what they were: `url` serves it in public.
 */
export const PrunedRows = z.object({ through_seq: z.int(), epoch: z.int(), url: z.string() })

/**
 * `GET /api/audit/rows/{seq or row id}/proof?size=` (AAL2): that the row is a leaf of the tree that the checkpoint signs (RFC 9162
 * section 2.1.3). Without a size the newest checkpoint. Hashes are base64; `leaf_hash` = SHA-256(00 || `row_hash`).
 */
export const AuditProofResponse = z.object({
  seq: z.int(),
  row_id: AuditRowId,
  row_hash: z.string(),
  leaf_hash: z.string(),
  /** Of the signed tree; the row's leaf index is `seq - 1`. */
  size: z.int(),
  proof: z.array(z.string()),
  /** The whole signed note. */
  checkpoint: z.string(),
  /** Null while the log is whole. */
  pruned: PrunedRows.nullable(),
})

export const ReceiptLine = z.object({
  log: TenantId,
  size: z.int(),
  root: z.string(),
  chain_head: z.string(),
  at: z.iso.datetime(),
  url: z.string(),
})
export const ReceiptsResponse = z.object({ receipts: z.array(ReceiptLine), pruned: PrunedRows.nullable() })

/** `GET /api/incidents?state=open|all`: the newest first, at most 100. What a kind means is in `domain/incidents/words.ts`. */
export const IncidentState = z.enum(['open', 'all'])
export type IncidentState = z.infer<typeof IncidentState>
export const IncidentLine = z.object({
  id: z.uuid(),
  kind: z.string(),
  /** The first bad row of the audit log; null where the incident is about none. */
  seq: z.int().nullable(),
  /** Which part raised it. */
  part: z.string(),
  at: z.iso.datetime(),
  acknowledged_at: z.iso.datetime().nullable(),
})
export const IncidentsResponse = z.object({
  incidents: z.array(IncidentLine),
  /** How many are not acknowledged, listed or not. */
  open: z.int(),
  /** Whether there are older ones than those listed. */
  more: z.boolean(),
})

/** What the parts' states are judged by, for the caller's tenant alone. */
export const StatusFigures = z.object({
  jobs_leased: z.int(),
  /** Credentials that are due and have no job yet. */
  jobs_due: z.int(),
  /** How long the longest of them has waited for the scheduler's cron; 0 when none is due. */
  cron_lag_seconds: z.number(),
  newest_job_at: z.iso.datetime().nullable(),
  dead_letters_24h: z.int(),
  audit_rows: z.int(),
  /** Rows that no receipt covers yet. */
  unsigned_rows: z.int(),
  newest_receipt_at: z.iso.datetime().nullable(),
  open_incidents: z.int(),
  /** Mails to the tenant's owners that have not gone out yet, and those given up. */
  mails_waiting: z.int(),
  mails_given_up_24h: z.int(),
})
/** `GET /api/status`. */
export const StatusResponse = z.object({
  ok: z.boolean(),
  parts: z.array(z.object({ name: z.string(), state: z.enum(['ok', 'degraded', 'down']), detail: z.string() })),
  /** Null while the database does not answer. */
  figures: StatusFigures.nullable(),
})

/** Codes of the gateway, each with its HTTP status. */
export const API_ERRORS = {
  /** One code for an unknown endpoint, a stale or malformed delivery and a wrong signature. */
  webhook_refused: 400,
  webhook_limited: 429,
  unauthenticated: 401,
  session_ended: 401,
  session_expired: 401,
  totp_enrolment_required: 403,
  aal2_required: 403,
  not_a_member: 403,
  role_insufficient: 403,
  not_found: 404,
  method_not_allowed: 405,
  login_answered: 409,
  not_signed_yet: 409,
  row_pruned: 410,
  hours_not_kept: 410,
  request_too_large: 413,
  query_invalid: 422,
  request_invalid: 422,
  tenant_frozen: 423,
  budget_exceeded: 429,
  store_unreachable: 503,
  vault_unreachable: 503,
  internal: 500,
} as const
export type ApiErrorCode = keyof typeof API_ERRORS
