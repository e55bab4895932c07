import { randomUUID } from 'node:crypto'
import { beforeAll, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { act } from '../agency.ts'
import { type Answer, type Caller, callerWith } from '../person.ts'
import type { Body } from '../request-digest.ts'
import { until } from '../stack.ts'
import { credentials, founder, stage } from './scene.ts'
import { tokenOf } from './stage.ts'

const DAY_MS = 86_400_000
const GIVEN_UP_MS = 120_000
const Tenants = z.object({ tenants: z.tuple([z.object({ id: z.string() })]) })
const Stored = z.object({ sites: z.tuple([z.object({ id: z.string() })], z.unknown()) })
const Suppressions = z.object({ suppressions: z.tuple([z.object({ id: z.string() })], z.unknown()) })
const Letters = z.object({ dead_letters: z.array(z.object({ id: z.string() })) })

/** What a person asks of a provider, or to be asked of it again, as their browser calls it: its pages are other tests'. */
export function providers(): void {
  describe('what is asked of providers', () => {
    let person: Caller
    let tenant_id: string
    beforeAll(async () => {
      // The founder's own session, which is fresh: in 90 seconds a second one of theirs could not be (A3).
      person = callerWith(stage.run, () => tokenOf(founder.page))
      tenant_id = Tenants.parse((await person.read('/api/me')).body).tenants[0].id
    })

    /** With a permission for exactly this. */
    async function perform(name: string, action: string, target_id: string, body: Body): Promise<Answer> {
      const answer = await act(person, name, { action, target_id }, { tenant_id, ...body })
      expect(answer.status, answer.text).toBe(200)
      return answer
    }

    test('A4: a domain is verified, and an address taken off the list of those that get no mail', async () => {
      const credential_id = randomUUID()
      const key = { provider: 'resend', label: 'Mail', secret: await resendKey() }
      const stored = await perform('credential-store', 'credential.store', credential_id, { credential_id, ...key })
      const site_id = Stored.parse(stored.body).sites[0].id
      const ask = (action: string, body: Body) =>
        perform('provider-action', action, credential_id, { credential_id, site_id, ...body })
      await ask('provider.verify_domain', { verify: true })
      const listed = await ask('provider.read_suppressions', { suppressions_after: null })
      const remove_suppression = Suppressions.parse(listed.body).suppressions[0].id
      await ask('provider.remove_suppression', { remove_suppression })
    })

    test('yesterday is read again', async () => {
      const [line] = await credentials()
      const yesterday = new Date(stage.now - DAY_MS).toISOString().slice(0, 10)
      const window = { tenant_id, credential_id: line?.id, from: yesterday, to: yesterday }
      const answer = await person.call('credential-resync', window)
      expect(answer.status, answer.text).toBe(200)
    })

    test(
      'A4: a job that was given up while Stripe failed is replayed',
      async () => {
        const letters = async () => Letters.parse((await person.read('/api/dead-letters')).body).dead_letters
        await until(async () => (await letters()).length > 0, 'a job was given up', GIVEN_UP_MS)
        await control('stripe', 'DELETE', 'faults')
        const job_id = (await letters())[0]?.id ?? expect.fail()
        await perform('dead-letter-replay', 'dead_letter.replay', job_id, { job_id })
      },
      GIVEN_UP_MS,
    )
  })
}

/** One that may act. */
async function resendKey(): Promise<string> {
  return z.object({ key: z.string() }).parse(await control('resend', 'POST', 'keys', { permission: 'full_access' })).key
}

async function control(provider: 'resend' | 'stripe', method: string, path: string, body?: Body): Promise<unknown> {
  const url = `${stage.run.simulators[provider]?.control_url}/${path}`
  const response = await fetch(url, { method, ...(body === undefined ? {} : { body: JSON.stringify(body) }) })
  if (!response.ok) throw new Error(`the simulator refused ${path}: ${await response.text()}`)
  return response.json()
}
