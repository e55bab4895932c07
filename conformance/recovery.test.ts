import { randomUUID } from 'node:crypto'
import { beforeAll, expect, test } from 'vitest'
import { type Agency, codeOf, foundAgency } from './agency.ts'
import { type Person, signInAgain, signUp } from './person.ts'
import { runningStack } from './running.ts'

/**
 * What recovery codes do not buy; what they do is in the walk, at a browser. It fails when, say, `use_recovery_code` does not ask whose
 * the code is, or whether it was used.
 */
const run = runningStack()

let agency: Agency
let codes: readonly string[]

beforeAll(async () => {
  agency = await foundAgency(run)
  ;({ codes } = (await agency.owner.call('member-reset', { act: 'codes' })).body as { codes: string[] })
})

test('A1, A2: a recovery code is of no use to a second person, and a password alone makes and counts none', async () => {
  const stranger = await signUp(run)
  expect(codeOf(await redeem(stranger, codes[0]))).toBe('recovery_code_invalid')
  const password = await signInAgain(run, agency.owner)
  expect(codeOf(await password.call('member-reset', { act: 'codes' }))).toBe('aal2_required')
  expect(codeOf(await password.call('member-reset', { act: 'left' }))).toBe('aal2_required')
})

test('A1: a code that is used in many sessions at once removes the factor once, and raises none of them', async () => {
  const { owner, tenantId } = agency
  const sessions = await Promise.all(Array.from({ length: 3 }, () => signInAgain(run, owner)))
  const answers = await Promise.all(sessions.map((session) => redeem(session, codes[0])))
  expect(answers.filter(({ status }) => status === 200)).toHaveLength(1)
  const winner = sessions[answers.findIndex(({ status }) => status === 200)]
  if (winner === undefined) throw new Error('nobody won')
  const { data, error } = await winner.supabase.auth.refreshSession()
  expect([error, data.session?.user.factors ?? []]).toEqual([null, []])
  const asked = { action: 'credential.store', target_id: randomUUID(), request_digest: 'A'.repeat(43) }
  expect(codeOf(await winner.call('step-up', { tenant_id: tenantId, ...asked }))).toBe('aal2_required')
})

const redeem = (person: Person, code: string | undefined) => person.call('member-reset', { act: 'redeem', code })
