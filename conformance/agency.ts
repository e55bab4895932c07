import { randomUUID } from 'node:crypto'
import { type Answer, type Caller, enrolTotp, type Person, signUp } from './person.ts'
import { type Body, requestDigest } from './request-digest.ts'
import type { RunFile } from './run-file.ts'

/** An agency of its own for one test: its owner at AAL2, fresh, and the calls that store a credential. */
export type Agency = {
  readonly owner: Person
  readonly totpSecret: string
  readonly tenantId: string
  /** Steps up and stores; answers what the function answered. */
  readonly store: (secret: string, credentialId?: string) => Promise<Answer>
}

export async function foundAgency(run: RunFile): Promise<Agency> {
  const owner = await signUp(run)
  const totpSecret = await enrolTotp(owner)
  const tenantId = randomUUID()
  const created = await owner.call('tenant-create', { tenant_id: tenantId, name: 'Agency under test' })
  if (created.status !== 200) throw new Error(`tenant-create: ${created.status} ${created.text}`)
  return {
    owner,
    totpSecret,
    tenantId,
    store: async (secret, credentialId = randomUUID()) => {
      const body = {
        tenant_id: tenantId,
        credential_id: credentialId,
        provider: 'cloudflare',
        label: 'Under test',
        secret,
      }
      const stepUp = await mintStepUp(owner, { action: 'credential.store', target_id: credentialId }, body)
      return owner.call('credential-store', body, { 'flarewatch-step-up': stepUp })
    },
  }
}

/** The token for one act on one target, by the request that the function is to get. */
export async function mintStepUp(
  person: Caller,
  { action, target_id }: { readonly action: string; readonly target_id: string },
  request: Body & { readonly tenant_id: string },
): Promise<string> {
  const request_digest = requestDigest(action, request)
  const answer = await person.call('step-up', { tenant_id: request.tenant_id, action, target_id, request_digest })
  const { token } = answer.body as { token?: string }
  if (token === undefined) throw new Error(`no step-up token: ${answer.status} ${answer.text}`)
  return token
}

/** Steps up for exactly this request, then makes it. */
export async function act(
  person: Caller,
  functionName: string,
  target: { readonly action: string; readonly target_id: string },
  request: Body & { readonly tenant_id: string },
): Promise<Answer> {
  const stepUp = await mintStepUp(person, target, request)
  return person.call(functionName, request, { 'flarewatch-step-up': stepUp })
}

export function codeOf(answer: Answer): string | undefined {
  return (answer.body as { error?: { code?: string } } | undefined)?.error?.code
}
