type Verb = 'select' | 'insert' | 'update' | 'delete'

/**
 * What a role is there to see or change in every tenant, by table. All else that it reaches of another tenant is a leak. Nothing of the
 * gateway's, of the functions' or of a stranger's stands here: what they see is what their claims let them.
 */
export const ACROSS_TENANTS: Readonly<Record<string, Partial<Record<Verb, readonly string[]>>>> = {
  // Which credential is due is all that the scheduler knows; the columns are ids and times.
  flarewatch_scheduler: {
    select: ['flarewatch.credentials', 'flarewatch.jobs'],
    insert: ['flarewatch.jobs'],
    update: ['flarewatch.credentials', 'flarewatch.jobs'],
  },
  // Policies hold each row to the tenant of the leased job; unleased, they let none in.
  flarewatch_connector: {
    insert: [
      'flarewatch.backfills',
      'flarewatch.cursors',
      'flarewatch.facts_daily',
      'flarewatch.facts_hourly',
      'flarewatch.facts_top',
      'flarewatch.findings',
      'flarewatch.incidents',
      'flarewatch.sites',
    ],
  },
  // Wraps and sealed rows of every tenant: it opens none of them without the ledger's share (V2).
  flarewatch_vault: {
    select: [
      'flarewatch.audit_keys',
      'flarewatch.audit_log',
      'flarewatch.credentials',
      'flarewatch.invitations',
      'flarewatch.jobs',
      'flarewatch.kek_checks',
      'flarewatch.member_resets',
      'flarewatch.members',
      'flarewatch.recovery_codes',
      'flarewatch.rewrap_leases',
      'flarewatch.shreddings',
      'flarewatch.tenant_keys',
      'flarewatch.tenants',
      'flarewatch.webhook_events',
    ],
    insert: ['flarewatch.incidents', 'flarewatch.kek_checks', 'flarewatch.rewrap_leases'],
    update: [
      'flarewatch.audit_keys',
      'flarewatch.credentials',
      'flarewatch.jobs',
      'flarewatch.rewrap_leases',
      'flarewatch.tenant_keys',
      'flarewatch.tenants',
      'flarewatch.webhook_events',
    ],
  },
  flarewatch_ledger: {
    select: ['flarewatch.audit_log'],
    insert: ['flarewatch.audit_log', 'flarewatch.incidents'],
  },
  // Every hashed column of every chain, sealed bytes among them; of credentials which KEK version each is wrapped by.
  flarewatch_verifier: {
    select: [
      'flarewatch.audit_heads',
      'flarewatch.audit_log',
      'flarewatch.credentials',
      'flarewatch.epoch_certificates',
      'flarewatch.receipts',
      'flarewatch.shreddings',
      'flarewatch.tenants',
      'flarewatch.verification_runs',
    ],
    insert: [
      'flarewatch.epoch_certificates',
      'flarewatch.incidents',
      'flarewatch.receipts',
      'flarewatch.shreddings',
      'flarewatch.verification_runs',
    ],
  },
}

/** Functions that a role may call, beside `privileged` for the service role. Each is judged by its own tests in sql/tests. */
export const EXECUTES: Readonly<Record<string, readonly string[]>> = {
  flarewatch_connector: [
    'flarewatch.apply_event',
    'flarewatch.bind_job',
    'flarewatch.bound_at',
    'flarewatch.bound_job_id',
    'flarewatch.end_reconciliation',
    'flarewatch.fill_gap',
    'flarewatch.leased_credential',
    'flarewatch.leased_sites',
    'flarewatch.leased_tenant',
    'flarewatch.missing_events',
    'flarewatch.reconcilable_endpoint',
    'flarewatch.reseal_credential',
    'flarewatch.roll_up',
    'flarewatch.waiting_event',
  ],
  flarewatch_gateway: [
    'flarewatch.bind_claims',
    'flarewatch.budget_days',
    'flarewatch.claim',
    'flarewatch.claim_is_aal2',
    'flarewatch.claim_may',
    'flarewatch.claim_session',
    'flarewatch.claim_tenant',
    'flarewatch.claim_user',
    'flarewatch.claimed_memberships',
    'flarewatch.credential_health',
    'flarewatch.dead_letters',
    'flarewatch.hooks_seen',
    'flarewatch.is_member',
    'flarewatch.mail_status',
    'flarewatch.open_resets',
    'flarewatch.own_sessions',
    'flarewatch.people',
    'flarewatch.receive_webhook',
    'flarewatch.run_objective',
    'flarewatch.stack_status',
    'flarewatch.totp_enrolled',
    'flarewatch.use_session',
  ],
  flarewatch_ledger: ['flarewatch.refeed_audit_row'],
  flarewatch_notifier: [
    'flarewatch.claim_mail',
    'flarewatch.mail_given_up',
    'flarewatch.mail_put_off',
    'flarewatch.mail_sent',
  ],
  flarewatch_scheduler: [
    'flarewatch.backfillable',
    'flarewatch.claim_due',
    'flarewatch.drop_old_events',
    'flarewatch.drop_old_runs',
    'flarewatch.drop_old_findings',
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
    'flarewatch.prune_hours',
  ],
}
