import type { z } from 'zod'
import type * as api from '../contracts/api.ts'
import type { Provider } from '../contracts/providers.ts'

export type FindingKind = z.infer<typeof api.FindingKind>
export type FindingLevel = z.infer<typeof api.FindingLevel>

export type FindingDefinition = {
  readonly provider: Provider
  readonly level: FindingLevel
  readonly title: string
  readonly means: string
  readonly remedy: string
}

const RECORD = { provider: 'resend' } as const
const LINT = { provider: 'supabase' } as const

/** What may be found, in words of ours. A lint of a Supabase database has splinter's name, by which more can be read about it. */
export const FINDINGS: { readonly [Kind in FindingKind]: FindingDefinition } = {
  rls_disabled_in_public: {
    ...LINT,
    level: 'error',
    title: 'Table open to the API',
    means:
      'Row level security is off, so whoever has the public key reads the whole table, and may change it where granted.',
    remedy: 'Enable row level security on the table, then add a policy for each kind of access that is meant.',
  },
  policy_exists_rls_disabled: {
    ...LINT,
    level: 'error',
    title: 'Policies without effect',
    means: 'The table has policies, but row level security is off: none of them is applied.',
    remedy: 'Enable row level security on the table.',
  },
  auth_users_exposed: {
    ...LINT,
    level: 'error',
    title: 'User accounts visible through a view',
    means:
      'A view in the API’s schema reads auth.users with its owner’s rights, so addresses and sign-in data can leave by the API.',
    remedy: 'Move the view to another schema, or keep what people may see in a table of its own.',
  },
  security_definer_view: {
    ...LINT,
    level: 'error',
    title: 'View that passes policies by',
    means: 'The view reads with its owner’s rights: policies of the tables under it are not applied to whoever asks.',
    remedy: 'Set security_invoker = true on the view.',
  },
  rls_references_user_metadata: {
    ...LINT,
    level: 'error',
    title: 'Policy that trusts user metadata',
    means: 'The policy decides by user_metadata, which every user may change for themselves.',
    remedy: 'Decide by app_metadata, or by a table that users cannot write.',
  },
  rls_policy_always_true: {
    ...LINT,
    level: 'warning',
    title: 'Policy that lets everybody write',
    means: 'A policy for writing is always true, so row level security holds nobody back.',
    remedy: 'Say in the policy whose rows may be written, or drop it.',
  },
  anon_security_definer_function_executable: {
    ...LINT,
    level: 'warning',
    title: 'Privileged function open to everybody',
    means: 'The function runs with its owner’s rights, and who is not signed in may call it through the API.',
    remedy: 'Revoke execute from anon and public, or make it security invoker.',
  },
  function_search_path_mutable: {
    ...LINT,
    level: 'warning',
    title: 'Function without a fixed search_path',
    means:
      'Names in the function are looked up by the caller’s search_path, which may lead to other objects than were meant.',
    remedy: "Set search_path = '' on the function, and qualify its names.",
  },
  extension_in_public: {
    ...LINT,
    level: 'warning',
    title: 'Extension in the API’s schema',
    means: 'Functions of the extension can be called through the API.',
    remedy: 'Move the extension to the schema extensions.',
  },
  duplicate_index: {
    ...LINT,
    level: 'warning',
    title: 'Indexes that are the same',
    means: 'Each of them is kept up to date at every write, and one would do.',
    remedy: 'Drop all but one.',
  },
  unindexed_foreign_keys: {
    ...LINT,
    level: 'info',
    title: 'Foreign key without an index',
    means: 'Joins by this key, and deletes of what it points at, read the whole table.',
    remedy: 'Create an index on the key’s columns.',
  },
  no_primary_key: {
    ...LINT,
    level: 'info',
    title: 'Table without a primary key',
    means: 'No row can be told from another for certain, which replication and many tools need.',
    remedy: 'Add a primary key.',
  },
  rls_enabled_no_policy: {
    ...LINT,
    level: 'info',
    title: 'Table that the API cannot read',
    means: 'Row level security is on and there is no policy, so only privileged roles reach the table.',
    remedy: 'Nothing, if that is meant; else add a policy.',
  },
  slow_statement: {
    ...LINT,
    level: 'warning',
    title: 'Slow statement',
    means: 'It takes more than a second on average, over all calls since the statistics were last reset.',
    remedy: 'Look its query id up in extensions.pg_stat_statements, which has its text, and EXPLAIN it.',
  },
  spf_record_unverified: {
    ...RECORD,
    level: 'error',
    title: 'SPF record missing or wrong',
    means:
      'Receivers cannot tell that Resend may send for this domain, so mail is filtered or refused; Resend may stop sending.',
    remedy: 'Put the record into the domain’s DNS as it is told below, then let Resend verify the domain again.',
  },
  dkim_record_unverified: {
    ...RECORD,
    level: 'error',
    title: 'DKIM record missing or wrong',
    means: 'Signatures of this domain’s mail cannot be checked, so it is filtered or refused; Resend may stop sending.',
    remedy: 'Put the record into the domain’s DNS as it is told below, then let Resend verify the domain again.',
  },
  mail_record_unverified: {
    ...RECORD,
    level: 'warning',
    title: 'Record for tracking or receiving missing or wrong',
    means: 'Links and opens are not tracked, or mail is not received, as the domain is set up to.',
    remedy: 'Put the record into the domain’s DNS as it is told below, or turn that off at Resend.',
  },
}
