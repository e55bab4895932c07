import { type DigestedRequest, requestDigest } from '../../domain/contracts/request-digest.ts'
import type { AccessToken, Config } from './gateway.ts'
import {
  CredentialDelete,
  CredentialRotate,
  CredentialStore,
  IDEMPOTENCY_HEADER,
  ProviderAction,
  SqlConsole,
  STEP_UP_HEADER,
  StepUp,
  TenantCreate,
  type TenantId,
  type z,
} from './schemas.ts'
import { type Answer, failed, requestJson } from './wire.ts'

type Call = { readonly name: string; readonly body: unknown; readonly headers?: Readonly<Record<string, string>> }

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
    proof: { readonly stepUp: string; readonly key: string },
  ): Promise<Answer<z.output<typeof CredentialStore.response>>> {
    const headers = { [STEP_UP_HEADER]: proof.stepUp, [IDEMPOTENCY_HEADER]: proof.key }
    return this.#post({ name: 'credential-store', body, headers }, CredentialStore.response)
  }

  sqlConsole(body: z.input<typeof SqlConsole.request>): Promise<Answer<z.output<typeof SqlConsole.response>>> {
    return this.#post({ name: 'sql-console', body }, SqlConsole.response)
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

  purgeCache(
    request: z.output<typeof ProviderAction.request>,
    key: string,
  ): Promise<Answer<z.output<typeof ProviderAction.response>>> {
    const act = { action: 'provider.purge_cache', name: 'provider-action', target_id: request.credential_id } as const
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
    { name, body, headers }: Call,
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
    })
  }
}
