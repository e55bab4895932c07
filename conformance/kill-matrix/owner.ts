import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Answer, enrolTotp, type Person, resumeSession, signUp } from '../person.ts'
import { requestDigest } from '../request-digest.ts'
import { issueToken } from '../stack.ts'
import type { StackUnderTest } from './stack-under-test.ts'

/**
 * The owner of an agency, whose client does what a careful one does when an answer does not come: the same request again, under
 * the same ids and the same idempotency key, until it is acknowledged.
 */
export type Owner = {
  readonly tenantId: string
  readonly credentialId: string
  readonly createTenant: () => Promise<void>
  readonly storeCredential: () => Promise<void>
  /** Mints a step-up token: one row in the audit log. */
  readonly stepUp: () => Promise<string>
}

const PATIENCE_MS = 120_000
const ANSWER_DEADLINE_MS = 30_000
const PAUSE_MS = 300

export async function enrolOwner(stack: StackUnderTest): Promise<Owner> {
  let run = await stack.running()
  let person = await signUp(run)
  await enrolTotp(person)
  const [secret, tenantId, credentialId] = [await issueToken(run), randomUUID(), randomUUID()]

  const current = async (): Promise<Person> => {
    const now = await stack.running()
    if (now.pid !== run.pid) person = await resumeSession(now, person)
    run = now
    return person
  }
  const insist = async (
    name: string,
    body: object,
    headers: () => Promise<Record<string, string>>,
  ): Promise<Answer> => {
    let last = 'no answer'
    for (const deadline = Date.now() + PATIENCE_MS; Date.now() < deadline; await sleep(PAUSE_MS)) {
      const answer = await answerOf(async () => (await current()).call(name, body, await headers()))
      if (typeof answer !== 'string' && answer.status === 200) return answer
      last = typeof answer === 'string' ? answer : `${answer.status} ${answer.text.slice(0, 200)}`
    }
    throw new Error(`${name} was not acknowledged within ${PATIENCE_MS / 1000} s: ${last}`)
  }
  const credential = { tenant_id: tenantId, credential_id: credentialId, provider: 'cloudflare', label: 'Main', secret }
  const stepUp = async (): Promise<string> => {
    const action = 'credential.store'
    const request_digest = requestDigest(action, credential)
    const request = { tenant_id: tenantId, action, target_id: credentialId, request_digest }
    const { body } = await insist('step-up', request, async () => ({}))
    return (body as { token: string }).token
  }
  return {
    tenantId,
    credentialId,
    stepUp,
    createTenant: async () => {
      await insist('tenant-create', { tenant_id: tenantId, name: 'Agency among the killed' }, keyed(randomUUID()))
    },
    storeCredential: async () => {
      const key = keyed(randomUUID())
      // A step-up token dies on use, also on one whose answer was lost.
      await insist('credential-store', credential, async () => ({
        ...(await key()),
        'flarewatch-step-up': await stepUp(),
      }))
    },
  }
}

function keyed(key: string): () => Promise<Record<string, string>> {
  return async () => ({ 'idempotency-key': key })
}

/** The answer, or why there was none. */
async function answerOf(ask: () => Promise<Answer>): Promise<Answer | string> {
  try {
    return await Promise.race([ask(), sleep(ANSWER_DEADLINE_MS, 'no answer in time', { ref: false })])
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
}
