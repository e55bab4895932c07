/**
 * Who may do what, in full. A table, role or verb that is not here is not granted; a verb without columns covers the whole
 * row. Adding a line widens what a compromise of that Worker yields: say so in the threat model.
 */
type Verbs = {
  readonly select?: Columns
  readonly insert?: Columns
  readonly update?: Columns
  readonly delete?: 'all'
}
type Columns = 'all' | readonly string[]

const HASHED_COLUMNS = [
  'tenant_id',
  'epoch',
  'seq',
  'row_id',
  'at',
  'key_version',
  'previous_hash',
  'actor_tag',
  'action_tag',
  'target_tag',
  'sealed',
  'hash',
]
const NEW_INCIDENT = ['id', 'tenant_id', 'kind', 'seq', 'part', 'detail', 'at']
const SITE = ['id', 'tenant_id', 'credential_id', 'provider', 'provider_ref', 'name', 'time_zone']
const FIGURE = ['window_end', 'value', 'unit', 'source', 'fetched_at', 'sampling', 'completeness']

export const EXPECTED_TABLE_GRANTS: Readonly<Record<string, Readonly<Record<string, Verbs>>>> = {
  tenants: {
    flarewatch_gateway: { select: 'all' },
    flarewatch_vault: { select: ['id', 'state', 'tier'], update: ['tier'] },
    flarewatch_verifier: { select: ['id', 'state', 'created_at', 'deleting_since'] },
  },
  members: {
    flarewatch_gateway: { select: 'all' },
    flarewatch_vault: { select: ['tenant_id', 'user_id', 'role'] },
  },
  kek_checks: {
    flarewatch_vault: {
      select: ['kek_version', 'check_value'],
      insert: ['kek_version', 'check_value', 'first_seen_at'],
    },
  },
  tenant_keys: {
    flarewatch_vault: {
      select: ['tenant_id', 'version', 'kek_version', 'wrapped_dek'],
      update: ['kek_version', 'wrapped_dek'],
    },
  },
  audit_keys: {
    flarewatch_vault: {
      select: ['tenant_id', 'version', 'kek_version', 'wrapped_key'],
      update: ['kek_version', 'wrapped_key'],
    },
  },
  rewrap_leases: { flarewatch_vault: { select: 'all', insert: 'all', update: ['lease', 'lease_until'] } },
  credentials: {
    flarewatch_gateway: {
      select: [
        'id',
        'tenant_id',
        'provider',
        'label',
        'last4',
        'scope',
        'grade',
        'can',
        'excess',
        'state',
        'reason',
        'last_used_at',
        'last_success_at',
        'created_at',
        'rotated_at',
        'deleted_at',
        'webhook_of',
      ],
    },
    flarewatch_scheduler: { select: ['id', 'tenant_id', 'state', 'next_poll_at'], update: ['next_poll_at'] },
    flarewatch_connector: {
      select: [
        'id',
        'tenant_id',
        'provider',
        'dek_version',
        'ciphertext',
        'state',
        'reason',
        'next_poll_at',
        'last_used_at',
        'last_success_at',
        'sites_seen_at',
      ],
      update: ['state', 'reason', 'next_poll_at', 'last_used_at', 'last_success_at', 'sites_seen_at'],
    },
    flarewatch_verifier: { select: ['tenant_id', 'last_used_at'] },
    flarewatch_vault: {
      select: [
        'id',
        'tenant_id',
        'provider',
        'kek_version',
        'wrapped_dek',
        'dek_version',
        'salt',
        'state',
        'webhook_of',
      ],
      update: ['kek_version', 'wrapped_dek'],
    },
  },
  sites: {
    flarewatch_gateway: { select: 'all' },
    flarewatch_console: { select: ['id', 'tenant_id', 'provider', 'name', 'time_zone'] },
    flarewatch_connector: {
      select: [...SITE, 'found_at', 'removed_at'],
      insert: [...SITE, 'found_at'],
      update: ['name', 'removed_at'],
    },
  },
  jobs: {
    flarewatch_console: {
      select: ['id', 'tenant_id', 'kind', 'state', 'attempt', 'outcome', 'created_at', 'finished_at'],
    },
    flarewatch_scheduler: {
      select: [
        'id',
        'tenant_id',
        'credential_id',
        'kind',
        'state',
        'attempt',
        'lease_until',
        'outcome',
        'created_at',
        'finished_at',
      ],
      insert: ['tenant_id', 'credential_id', 'kind', 'state', 'attempt', 'lease_until', 'created_at'],
      update: ['state', 'attempt', 'lease_until', 'outcome', 'finished_at'],
    },
    flarewatch_connector: {
      select: [
        'id',
        'tenant_id',
        'credential_id',
        'kind',
        'state',
        'attempt',
        'lease_until',
        'outcome',
        'detail',
        'finished_at',
      ],
      update: ['state', 'outcome', 'detail', 'finished_at'],
    },
    flarewatch_vault: {
      select: ['id', 'tenant_id', 'credential_id', 'kind', 'state', 'attempt', 'lease_until', 'intent_row'],
      update: ['intent_row'],
    },
  },
  cursors: { flarewatch_connector: { select: 'all', insert: 'all', update: ['complete_until', 'updated_at'] } },
  facts_hourly: {
    flarewatch_gateway: { select: 'all' },
    flarewatch_console: { select: 'all' },
    flarewatch_connector: { select: 'all', insert: 'all', update: FIGURE },
  },
  facts_daily: {
    flarewatch_gateway: { select: 'all' },
    flarewatch_console: { select: 'all' },
    flarewatch_connector: { select: 'all', insert: 'all', update: FIGURE },
  },
  facts_top: {
    flarewatch_gateway: { select: 'all' },
    flarewatch_console: { select: 'all' },
    flarewatch_connector: { select: 'all', insert: 'all', delete: 'all' },
  },
  audit_heads: { flarewatch_verifier: { select: 'all' } },
  audit_log: {
    flarewatch_gateway: { select: HASHED_COLUMNS },
    flarewatch_vault: { select: HASHED_COLUMNS },
    flarewatch_ledger: { select: ['tenant_id', 'epoch', 'seq', 'hash'], insert: HASHED_COLUMNS },
    flarewatch_verifier: { select: HASHED_COLUMNS },
  },
  shreddings: { flarewatch_vault: { select: ['log', 'note'] }, flarewatch_verifier: { select: 'all', insert: 'all' } },
  receipts: { flarewatch_gateway: { select: 'all' }, flarewatch_verifier: { select: 'all', insert: 'all' } },
  epoch_certificates: {
    flarewatch_gateway: { select: 'all' },
    flarewatch_ledger: { select: ['log', 'last_seq', 'last_hash'] },
    flarewatch_verifier: { select: 'all', insert: 'all' },
  },
  verification_runs: { flarewatch_gateway: { select: 'all' }, flarewatch_verifier: { insert: 'all' } },
  incidents: {
    flarewatch_gateway: { select: 'all' },
    flarewatch_connector: { insert: NEW_INCIDENT },
    flarewatch_vault: { insert: NEW_INCIDENT },
    flarewatch_ledger: { insert: NEW_INCIDENT },
    flarewatch_verifier: { insert: NEW_INCIDENT },
  },
  invitations: {
    flarewatch_gateway: { select: ['id', 'tenant_id', 'email', 'role', 'created_at', 'expires_at', 'accepted_at'] },
    flarewatch_vault: { select: ['id', 'tenant_id', 'token_hash', 'expires_at', 'accepted_at'] },
  },
  recovery_codes: { flarewatch_vault: { select: ['user_id', 'code_hash', 'used_at'] } },
  member_resets: { flarewatch_vault: { select: ['user_id', 'due_at', 'expires_at'] } },
  // Reached by definer functions alone.
  recovery_attempts: {},
  session_uses: {},
  failed_attempts: {},
  hook_calls: {},
  mail_outbox: {},
  idempotency: {},
  backfills: {
    flarewatch_gateway: { select: 'all' },
    flarewatch_connector: {
      select: 'all',
      insert: ['tenant_id', 'site_id', 'dataset', 'kind', 'until', 'done_from', 'next_at', 'created_at', 'updated_at'],
      update: [
        'state',
        'since',
        'done_from',
        'slices',
        'facts',
        'failures',
        'reason',
        'next_at',
        'started_at',
        'updated_at',
        'finished_at',
      ],
    },
  },
  webhook_endpoints: {
    flarewatch_gateway: {
      select: ['id', 'tenant_id', 'credential_id', 'provider', 'accepted', 'last_received_at', 'last_event_at'],
    },
  },
  webhook_events: {
    flarewatch_vault: {
      select: ['id', 'tenant_id', 'dek_version', 'salt', 'applied_at', 'intent_row'],
      update: ['intent_row'],
    },
  },
}

/** Functions that somebody but the owner may call. */
export const EXPECTED_FUNCTION_GRANTS: Readonly<Record<string, readonly string[]>> = {
  flarewatch_gateway: [
    'flarewatch.bind_claims',
    'flarewatch.claim',
    'flarewatch.claim_is_aal2',
    'flarewatch.claim_may',
    'flarewatch.claim_session',
    'flarewatch.claim_tenant',
    'flarewatch.claim_user',
    'flarewatch.claimed_memberships',
    'flarewatch.hooks_seen',
    'flarewatch.is_member',
    'flarewatch.mail_status',
    'flarewatch.open_resets',
    'flarewatch.own_sessions',
    'flarewatch.people',
    'flarewatch.receive_webhook',
    'flarewatch.stack_status',
    'flarewatch.totp_enrolled',
    'flarewatch.use_session',
  ],
  flarewatch_connector: [
    'flarewatch.apply_event',
    'flarewatch.bind_job',
    'flarewatch.bound_at',
    'flarewatch.bound_job_id',
    'flarewatch.leased_credential',
    'flarewatch.leased_sites',
    'flarewatch.leased_tenant',
    'flarewatch.reseal_credential',
    'flarewatch.waiting_event',
  ],
  flarewatch_scheduler: [
    'flarewatch.backfillable',
    'flarewatch.claim_due',
    'flarewatch.drop_old_events',
    'flarewatch.max_attempts',
    'flarewatch.next_poll',
    'flarewatch.requeue_events',
    'flarewatch.resealable',
  ],
  flarewatch_vault: [
    'flarewatch.add_dek',
    'flarewatch.admit_webhook',
    'flarewatch.begin_tenant_deletion',
    'flarewatch.dek_standing',
    'flarewatch.destroy_old_deks',
    'flarewatch.end_sessions',
    'flarewatch.erase_tenant',
    'flarewatch.judge_session',
    'flarewatch.mail_operator_key',
    'flarewatch.use_session',
    'flarewatch.used_kek_versions',
  ],
  flarewatch_verifier: [
    'flarewatch.drop_month',
    'flarewatch.keys_left',
    'flarewatch.mail_receipt',
    'flarewatch.open_month',
  ],
  flarewatch_ledger: ['flarewatch.refeed_audit_row'],
  flarewatch_notifier: [
    'flarewatch.claim_mail',
    'flarewatch.mail_given_up',
    'flarewatch.mail_put_off',
    'flarewatch.mail_sent',
  ],
  flarewatch_console: ['flarewatch.console_tenant'],
  supabase_auth_admin: ['auth_hooks.mfa_verification_attempt', 'auth_hooks.password_verification_attempt'],
  service_role: [
    'privileged.accept_invitation',
    'privileged.activate_tenant',
    'privileged.begin_tenant',
    'privileged.cancel_member_reset',
    'privileged.change_member',
    'privileged.close_member_reset',
    'privileged.delete_credential',
    'privileged.end_console',
    'privileged.find_invitation',
    'privileged.idempotent_response',
    'privileged.invite_member',
    'privileged.keep_response',
    'privileged.open_console',
    'privileged.own_member_reset',
    'privileged.recovery_codes_left',
    'privileged.replace_recovery_codes',
    'privileged.request_member_reset',
    'privileged.resync_credential',
    'privileged.rotate_credential',
    'privileged.sealed_credential',
    'privileged.sealed_record',
    'privileged.start_reset_finish',
    'privileged.store_credential',
    'privileged.store_webhook_secret',
    'privileged.try_recovery_code',
    'privileged.use_recovery_code',
    'privileged.withdraw_invitation',
  ],
}
