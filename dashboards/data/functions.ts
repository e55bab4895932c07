import { type DigestedRequest, requestDigest } from '../../domain/contracts/request-digest.ts'
import type { AccessToken, Config } from './gateway.ts'
import {
  CredentialDelete,
  CredentialResync,
  CredentialReveal,
  CredentialRotate,
  CredentialStore,
  DeadLetterReplay,
  type EdgeOperations,
  IDEMPOTENCY_HEADER,
  InvitationAccept,
  InvitationWithdraw,
  MemberInvite,
  MemberReset,
  MemberRole,
  OperatorKey,
  type OperatorKeyId,
  ProviderAction,
  SqlConsole,
  STEP_UP_HEADER,
  StepUp,
  TenantCreate,
  type TenantId,
  type UserId,
  WebhookStore,
  type z,
} from './schemas.ts'
import { type Answer, failed, requestJson } from './wire.ts'

type Call = {
  readonly name: string
  readonly body: unknown
  readonly headers?: Readonly<Record<string, string>>
  readonly gone?: AbortSignal
}

/** What goes with an act that was asked for: its step-up token, and the key by which a retry is known. */
export type Proof = { readonly stepUp: string; readonly key: string }
const proofHeaders = ({ stepUp, key }: Proof) => ({ [STEP_UP_HEADER]: stepUp, [IDEMPOTENCY_HEADER]: key })

/** The Edge Functions: the only acts that change something. */
export class Functions {
  readonly #config: Config
  readonly #accessToken: AccessToken

  constructor(config: Config, accessToken: AccessToken) {
    this.#config = config
    this.#accessToken = accessToken
  }

  createTenant(id: TenantId, name: string, key: string): Promise<Answer<z.output<typeof TenantCreate.response>>> {
    return this.#post(
      { name: 'tenant-create', body: { tenant_id: id, name }, headers: { [IDEMPOTENCY_HEADER]: key } },
      TenantCreate.response,
    )
  }

  /** A token for one act on one target by this very request. */
  async stepUp(
    { action, target_id }: Pick<z.input<typeof StepUp.request>, 'action' | 'target_id'>,
    request: DigestedRequest & { readonly tenant_id: TenantId },
  ): Promise<Answer<z.output<typeof StepUp.response>>> {
    const { tenant_id } = request
    const body = { tenant_id, action, target_id, request_digest: await requestDigest(action, request) }
    return this.#post({ name: 'step-up', body }, StepUp.response)
  }

  storeCredential(
    body: z.output<typeof CredentialStore.request>,
    proof: Proof,
  ): Promise<Answer<z.output<typeof CredentialStore.response>>> {
    return this.#post({ name: 'credential-store', body, headers: proofHeaders(proof) }, CredentialStore.response)
  }

  inviteMember(
    body: z.output<typeof MemberInvite.request>,
    proof: Proof,
  ): Promise<Answer<z.output<typeof MemberInvite.response>>> {
    return this.#post({ name: 'member-invite', body, headers: proofHeaders(proof) }, MemberInvite.response)
  }

  changeMember(
    body: z.output<typeof MemberRole.request>,
    proof: Proof,
  ): Promise<Answer<z.output<typeof MemberRole.response>>> {
    return this.#post({ name: 'member-role', body, headers: proofHeaders(proof) }, MemberRole.response)
  }

  acceptInvitation(token: string): Promise<Answer<z.output<typeof InvitationAccept.response>>> {
    return this.#post({ name: 'invitation-accept', body: { token } }, InvitationAccept.response)
  }

  /** Ten codes in the place of all earlier ones. */
  async makeRecoveryCodes(): Promise<Answer<readonly string[]>> {
    const made = await this.#post({ name: 'member-reset', body: { act: 'codes' } }, MemberReset.made)
    return made.ok ? { ok: true, value: made.value.codes } : made
  }

  recoveryCodesLeft(): Promise<Answer<z.output<typeof MemberReset.left>>> {
    return this.#post({ name: 'member-reset', body: { act: 'left' } }, MemberReset.left)
  }

  redeemRecoveryCode(code: string): Promise<Answer<z.output<typeof MemberReset.left>>> {
    return this.#post({ name: 'member-reset', body: { act: 'redeem', code } }, MemberReset.left)
  }

  /** Begins the 24 hours after which that member can remove their lost authenticator. */
  requestMemberReset(
    body: { readonly act: 'request'; readonly tenant_id: TenantId; readonly member_id: UserId },
    proof: Proof,
  ): Promise<Answer<z.output<typeof MemberReset.requested>>> {
    return this.#post({ name: 'member-reset', body, headers: proofHeaders(proof) }, MemberReset.requested)
  }

  withdrawMemberReset(tenantId: TenantId, memberId: UserId): Promise<Answer<z.output<typeof MemberReset.cancelled>>> {
    const body = { act: 'withdraw', tenant_id: tenantId, member_id: memberId }
    return this.#post({ name: 'member-reset', body }, MemberReset.cancelled)
  }

  /** Of oneself, and with a password alone, as the two after it are. */
  pendingReset(): Promise<Answer<z.output<typeof MemberReset.pending>>> {
    return this.#post({ name: 'member-reset', body: { act: 'pending' } }, MemberReset.pending)
  }

  cancelOwnReset(): Promise<Answer<z.output<typeof MemberReset.cancelled>>> {
    return this.#post({ name: 'member-reset', body: { act: 'cancel' } }, MemberReset.cancelled)
  }

  finishReset(): Promise<Answer<z.output<typeof MemberReset.finished>>> {
    return this.#post({ name: 'member-reset', body: { act: 'finish' } }, MemberReset.finished)
  }

  withdrawInvitation(
    tenantId: TenantId,
    invitationId: string,
  ): Promise<Answer<z.output<typeof InvitationWithdraw.response>>> {
    const body = { tenant_id: tenantId, invitation_id: invitationId }
    return this.#post({ name: 'invitation-withdraw', body }, InvitationWithdraw.response)
  }

  resyncCredential(
    body: z.output<typeof CredentialResync.request>,
    key: string,
  ): Promise<Answer<z.output<typeof CredentialResync.response>>> {
    const headers = { [IDEMPOTENCY_HEADER]: key }
    return this.#post({ name: 'credential-resync', body, headers }, CredentialResync.response)
  }

  operatorKeys(tenantId: TenantId): Promise<Answer<z.output<typeof OperatorKey.listed>>> {
    return this.#post({ name: 'operator-key', body: { act: 'list', tenant_id: tenantId } }, OperatorKey.listed)
  }

  removeOperatorKey(tenantId: TenantId, keyId: OperatorKeyId): Promise<Answer<z.output<typeof OperatorKey.removed>>> {
    const body = { act: 'remove', tenant_id: tenantId, key_id: keyId }
    return this.#post({ name: 'operator-key', body }, OperatorKey.removed)
  }

  /** Permission for this very key first: the person's code is asked for once, for both. */
  async enrolOperatorKey(
    keyId: OperatorKeyId,
    request: z.output<(typeof EdgeOperations)['operator-key-enrol']['request']>,
  ): Promise<Answer<z.output<typeof OperatorKey.enrolled>>> {
    const permission = await this.stepUp({ action: 'operator_key.enrol', target_id: keyId }, request)
    if (!permission.ok) return permission
    const headers = { [STEP_UP_HEADER]: permission.value.token }
    return this.#post({ name: 'operator-key', body: { act: 'enrol', ...request }, headers }, OperatorKey.enrolled)
  }

  /** V7: what comes back says that something waits for the command line, and nothing else. */
  async revealCredential(
    request: z.output<(typeof EdgeOperations)['credential-reveal']['request']>,
  ): Promise<Answer<z.output<typeof CredentialReveal.revealed>>> {
    const permission = await this.stepUp({ action: 'credential.reveal', target_id: request.credential_id }, request)
    if (!permission.ok) return permission
    const headers = { [STEP_UP_HEADER]: permission.value.token }
    return this.#post(
      { name: 'credential-reveal', body: { act: 'reveal', ...request }, headers },
      CredentialReveal.revealed,
    )
  }

  /** `gone` aborts the request itself, for a statement that no second request can end. */
  sqlConsole(
    body: z.input<typeof SqlConsole.request>,
    gone?: AbortSignal,
  ): Promise<Answer<z.output<typeof SqlConsole.response>>> {
    return this.#post({ name: 'sql-console', body, ...(gone === undefined ? {} : { gone }) }, SqlConsole.response)
  }

  rotateCredential(
    request: z.output<typeof CredentialRotate.request>,
    key: string,
  ): Promise<Answer<z.output<typeof CredentialRotate.response>>> {
    const act = { action: 'credential.rotate', name: 'credential-rotate', target_id: request.credential_id } as const
    return this.#act(act, request, key, CredentialRotate.response)
  }

  deleteCredential(
    request: z.output<typeof CredentialDelete.request>,
    key: string,
  ): Promise<Answer<z.output<typeof CredentialDelete.response>>> {
    const act = { action: 'credential.delete', name: 'credential-delete', target_id: request.credential_id } as const
    return this.#act(act, request, key, CredentialDelete.response)
  }

  storeWebhookSecret(
    request: z.output<typeof WebhookStore.request>,
    key: string,
  ): Promise<Answer<z.output<typeof WebhookStore.response>>> {
    const act = { action: 'credential.store', name: 'webhook-store', target_id: request.credential_id } as const
    return this.#act(act, request, key, WebhookStore.response)
  }

  purgeCache(
    request: z.output<typeof ProviderAction.purge>,
    key: string,
  ): Promise<Answer<z.output<typeof ProviderAction.response>>> {
    const act = { action: 'provider.purge_cache', name: 'provider-action', target_id: request.credential_id } as const
    return this.#act(act, request, key, ProviderAction.response)
  }

  replayDeadLetter(
    request: z.output<typeof DeadLetterReplay.request>,
    key: string,
  ): Promise<Answer<z.output<typeof DeadLetterReplay.response>>> {
    const act = { action: 'dead_letter.replay', name: 'dead-letter-replay', target_id: request.job_id } as const
    return this.#act(act, request, key, DeadLetterReplay.response)
  }

  verifyDomain(
    request: z.output<typeof ProviderAction.verify>,
    key: string,
  ): Promise<Answer<z.output<typeof ProviderAction.response>>> {
    const act = { action: 'provider.verify_domain', name: 'provider-action', target_id: request.credential_id } as const
    return this.#act(act, request, key, ProviderAction.response)
  }

  readSuppressions(
    request: z.output<typeof ProviderAction.read>,
    key: string,
  ): Promise<Answer<z.output<typeof ProviderAction.listed>>> {
    const { credential_id: target_id } = request
    const act = { action: 'provider.read_suppressions', name: 'provider-action', target_id } as const
    return this.#act(act, request, key, ProviderAction.listed)
  }

  removeSuppression(
    request: z.output<typeof ProviderAction.remove>,
    key: string,
  ): Promise<Answer<z.output<typeof ProviderAction.response>>> {
    const { credential_id: target_id } = request
    const act = { action: 'provider.remove_suppression', name: 'provider-action', target_id } as const
    return this.#act(act, request, key, ProviderAction.response)
  }

  /** A token for exactly this request, and then the request. */
  async #act<Schema extends z.ZodType>(
    { name, ...target }: Pick<z.input<typeof StepUp.request>, 'action' | 'target_id'> & { readonly name: string },
    request: DigestedRequest & { readonly tenant_id: TenantId },
    key: string,
    schema: Schema,
  ): Promise<Answer<z.output<Schema>>> {
    const permission = await this.stepUp(target, request)
    if (!permission.ok) return permission
    const headers = { [STEP_UP_HEADER]: permission.value.token, [IDEMPOTENCY_HEADER]: key }
    return this.#post({ name, body: request, headers }, schema)
  }

  async #post<Schema extends z.ZodType>(
    { name, body, headers, gone }: Call,
    schema: Schema,
  ): Promise<Answer<z.output<Schema>>> {
    const token = await this.#accessToken()
    if (token === null) return failed('signed_out')
    const { supabase_url, publishable_key } = this.#config
    return requestJson(`${supabase_url.replace(/\/$/, '')}/functions/v1/${name}`, schema, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${token}`,
        apikey: publishable_key,
        'content-type': 'application/json',
        ...headers,
      },
      body: JSON.stringify(body),
      ...(gone === undefined ? {} : { signal: gone }),
    })
  }
}
