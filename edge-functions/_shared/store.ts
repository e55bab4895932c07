import { createClient } from '@supabase/supabase-js'
import {
  CredentialDelete,
  CredentialResync,
  CredentialRotate,
  CredentialStore,
  DeadLetterReplay,
  InvitationAccept,
  InvitationWithdraw,
  MemberInvite,
  MemberReset,
  MemberRole,
  SealedRecord,
  TenantCreate,
  WebhookStore,
} from 'domain/contracts/functions.ts'
import { TenantId } from 'domain/contracts/ids.ts'
import { Provider } from 'domain/contracts/providers.ts'
import { z } from 'zod'
import { type Environment, secretKey } from './environment.ts'
import { isErrorCode, Refused } from './errors.ts'

const MAX_CIPHERTEXT_TEXT = 5462

/** The functions of schema `privileged`, each one transaction: what each answers. */
const ANSWERS = {
  begin_tenant: z.object({ state: z.enum(['pending', 'active']) }),
  activate_tenant: TenantCreate.response,
  open_console: z.object({ login: z.string() }),
  end_console: z.object({ ended: z.int() }),
  idempotent_response: z.object({ response: z.unknown() }).nullable(),
  store_credential: CredentialStore.response,
  store_webhook_secret: WebhookStore.response,
  sealed_record: SealedRecord,
  invite_member: MemberInvite.response,
  find_invitation: z.object({ tenant_id: TenantId }),
  accept_invitation: InvitationAccept.response,
  change_member: MemberRole.response,
  replace_recovery_codes: MemberReset.left,
  recovery_codes_left: MemberReset.left,
  try_recovery_code: z.object({ state: z.enum(['stands', 'invalid', 'too_many']) }),
  use_recovery_code: MemberReset.left,
  request_member_reset: MemberReset.requested,
  cancel_member_reset: MemberReset.cancelled,
  own_member_reset: MemberReset.pending,
  close_member_reset: z.object({ closed: z.boolean() }),
  start_reset_finish: z.object({ state: z.enum(['started', 'unknown', 'not_due', 'running']) }),
  withdraw_invitation: InvitationWithdraw.response,
  resync_credential: CredentialResync.response,
  rotate_credential: CredentialRotate.response,
  delete_credential: CredentialDelete.response,
  replay_dead_letter: DeadLetterReplay.response,
  sealed_credential: z.object({
    ciphertext: z.base64url().max(MAX_CIPHERTEXT_TEXT),
    provider: Provider,
    /** Part of an address: a zone's, an account's or a domain's id. */
    provider_ref: z.string().regex(/^[\w/-]{1,128}$/),
    name: z.string(),
  }),
  console_credential: z.object({
    ciphertext: z.base64url().max(MAX_CIPHERTEXT_TEXT),
    provider_ref: z.string().regex(/^[a-z]{20}$/),
  }),
  keep_response: z.unknown(),
}
export type PrivilegedFunction = keyof typeof ANSWERS
type AnswerOf<Name extends PrivilegedFunction> = z.infer<(typeof ANSWERS)[Name]>

export type Store<Name extends PrivilegedFunction> = <Called extends Name>(
  name: Called,
  request: Record<string, unknown>,
) => Promise<AnswerOf<Called>>

const TIMEOUT_MS = 10_000
/** SQLSTATEs of our own: the message is then one of our stable codes, and never anything else. */
const OWN_SQLSTATE = /^FW\d{3}$/

/** A client for exactly the named functions; the list is the function's line in `functions.json`. */
export function createStore<const Name extends PrivilegedFunction>(
  environment: Environment<'SUPABASE_URL' | 'SUPABASE_SECRET_KEY' | 'SUPABASE_SECRET_KEYS'>,
  _names: readonly Name[],
): Store<Name> {
  const client = createClient(environment.SUPABASE_URL, secretKey(environment), {
    db: { schema: 'privileged' },
    auth: { persistSession: false, autoRefreshToken: false, detectSessionInUrl: false },
  })
  return async (name, request) => {
    const { data, error, status } = await client.rpc(name, { request }).abortSignal(AbortSignal.timeout(TIMEOUT_MS))
    if (error !== null) {
      if (OWN_SQLSTATE.test(error.code) && isErrorCode(error.message)) throw new Refused(error.message)
      // Status 0 is supabase-js's word for "no answer"; a gateway's 5xx means the same to the caller.
      throw new Refused(status === 0 || status >= 502 ? 'store_unreachable' : 'internal')
    }
    return ANSWERS[name].parse(data) as AnswerOf<typeof name>
  }
}
