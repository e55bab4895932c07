/** The embedded superuser, named as hosted Supabase names its own. Nothing of ours runs as it but the bootstrap. */
export const SUPERUSER = 'supabase_admin'

/** Has the powers of hosted Supabase's `postgres`: NOSUPERUSER, CREATEROLE, CREATEDB, BYPASSRLS. Owns all that migrations make. */
export const MIGRATION_OWNER = 'postgres'

export const DATABASE = 'postgres'

/** One login a Worker; migrations create them, the stack gives them passwords. */
export const WORKER_ROLES = [
  'flarewatch_gateway',
  'flarewatch_scheduler',
  'flarewatch_connector',
  'flarewatch_vault',
  'flarewatch_ledger',
  'flarewatch_verifier',
  'flarewatch_notifier',
] as const
export type WorkerRole = (typeof WORKER_ROLES)[number]

export const LOGIN_ROLES = [
  SUPERUSER,
  MIGRATION_OWNER,
  'authenticator',
  'supabase_auth_admin',
  ...WORKER_ROLES,
] as const
export type LoginRole = (typeof LOGIN_ROLES)[number]
