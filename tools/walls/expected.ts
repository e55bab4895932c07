/** The "secrets and bindings" column of the design's room table, as wrangler files and functions must have it (D2). */
export const EXPECTED_BINDINGS: Record<string, readonly string[]> = {
  'wrangler.toml': [
    'assets ASSETS',
    'hyperdrive DB',
    'r2 RECEIPTS flarewatch-receipts',
    'service VAULT flarewatch-vault#GatewayDoor',
    'var AUTH_ISSUER',
    'var AUTH_JWKS_URL',
    'var LOG_VKEY',
    'var PUBLISHABLE_KEY',
    'var SUPABASE_URL',
  ],
  'workers/scheduler/wrangler.toml': ['hyperdrive DB', 'queue INGEST flarewatch-ingest'],
  'workers/connector/wrangler.toml': [
    'consumer flarewatch-ingest',
    'consumer flarewatch-ingest-dead',
    'durable object PROVIDER_LIMITS ProviderLimits',
    'hyperdrive DB',
    'service VAULT flarewatch-vault#ConnectorDoor',
    'var CLOUDFLARE_API_URL',
  ],
  'workers/vault/wrangler.toml': [
    'consumer flarewatch-rewrap',
    'durable object AUDIT_LEDGER AuditLedger',
    'durable object KEK_VERSIONS KekVersions',
    'durable object STEP_UP_TOKENS StepUpTokens',
    'durable object TENANT_ROSTER TenantRoster',
    'hyperdrive DB',
    'queue REWRAP flarewatch-rewrap',
    'var AUTH_ISSUER',
    'var AUTH_JWKS_URL',
    'var BACKUP_PUBLIC_KEY',
    'var EDGE_SERVICE_PUBLIC_KEY',
    'var LOG_VKEY',
    'var OPERATOR_PUBLIC_KEY',
  ],
  'workers/verifier/wrangler.toml': [
    'consumer flarewatch-verify',
    'durable object AUDIT_LEDGER AuditLedger',
    'durable object TENANT_ROSTER TenantRoster',
    'hyperdrive DB',
    'queue VERIFY flarewatch-verify',
    'r2 RECEIPTS flarewatch-receipts',
    'var LOG_NAME',
  ],
  'workers/notifier/wrangler.toml': [
    'hyperdrive DB',
    'var GATEWAY_URL',
    'var MAIL_FROM',
    'var OPERATOR_EMAIL',
    'var RESEND_API_URL',
  ],
  'durable-objects/wrangler.toml': ['hyperdrive DB', 'var BACKUP_PUBLIC_KEY'],
}

/** The enumerated privileged work: every Edge Function there is. */
export const EXPECTED_FUNCTIONS: readonly string[] = ['credential-store', 'sql-console', 'step-up', 'tenant-create']
