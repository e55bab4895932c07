import { randomUUID } from 'node:crypto'
import { beforeAll, describe, expect, test } from 'vitest'
import { codeOf, mintStepUp } from './agency.ts'
import { type Answer, enrolTotp, type Person, signInAgain, signUp, stepUpToAal2 } from './person.ts'
import { runningStack } from './running.ts'
import { fireCron, issueToken, untilPolled } from './stack.ts'

/** One credential, end to end, by the calls that a person's browser makes. */
const run = runningStack()

describe('from sign-up to a chart', () => {
  const tenantId = randomUUID()
  const credentialId = randomUUID()
  let owner: Person
  let secret: string
  let token: string

  beforeAll(async () => {
    owner = await signUp(run)
    token = await issueToken(run)
  })

  test('A1: before TOTP is enrolled no tenant data is readable', async () => {
    for (const path of ['/api/sites', '/api/credentials', '/api/receipts']) {
      expect(codeOf(await owner.read(path)), path).toBe('totp_enrolment_required')
    }
  })

  test('A1: a password alone creates no tenant', async () => {
    const answer = await owner.call('tenant-create', { tenant_id: tenantId, name: 'Too early' })
    expect([answer.status, codeOf(answer)]).toEqual([403, 'aal2_required'])
  })

  test('a tenant is born at AAL2, and asking again with the same id resumes', async () => {
    secret = await enrolTotp(owner)
    const first = await owner.call('tenant-create', { tenant_id: tenantId, name: 'Harbour Agency' })
    const again = await owner.call('tenant-create', { tenant_id: tenantId, name: 'Harbour Agency' })
    expect(first.status).toBe(200)
    expect(again.body).toEqual(first.body)
  })

  test('A4: a step-up token is good once, for the credential and the request that it names', async () => {
    const elsewhere = await stepUpFor(randomUUID())
    expect(codeOf(await store(elsewhere))).toBe('step_up_invalid')
    const otherwise = await stepUpFor(credentialId)
    expect(codeOf(await store(otherwise, { label: 'Not what was confirmed' }))).toBe('step_up_invalid')

    const stepUp = await stepUpFor(credentialId)
    const stored = await store(stepUp)
    expect(stored.status, stored.text).toBe(200)
    const other = await store(stepUp, { credential_id: randomUUID() })
    expect(codeOf(other)).toBe('step_up_invalid')
  })

  test('V6: the credential line shows the last four characters and the scope, and the token nowhere', async () => {
    const answer = await owner.read('/api/credentials')
    expect(answer.body).toMatchObject({ credentials: [{ id: credentialId, last4: token.slice(-4), state: 'active' }] })
    expect(answer.text).not.toContain(token)
    expect(answer.text).not.toMatch(/ciphertext|wrapped|salt/)
  })

  test('traffic reaches the chart, with its provenance', async () => {
    await fireCron(run, 'scheduler', '* * * * *')
    await untilPolled(owner)
    const { sites } = (await owner.read('/api/sites')).body as { sites: { id: string }[] }
    expect(sites).toHaveLength(3)
    const to = new Date()
    const from = new Date(to.getTime() - 7 * 86_400_000)
    const query = `grain=day&from=${from.toISOString()}&to=${to.toISOString()}`
    const metrics = await owner.read(`/api/sites/${sites[0]?.id}/metrics?${query}`)
    expect(metrics.status, metrics.text).toBe(200)
    const { series } = metrics.body as { series: { metric: string; total: number; provenance: { source: string } }[] }
    const requests = series.find(({ metric }) => metric === 'requests')
    expect(requests?.total).toBeGreaterThan(0)
    expect(requests?.provenance.source).toContain('httpRequests')
  })

  test('A2: a password alone reads metrics and the credential line, and no audit content', async () => {
    const onlyPassword = await signInAgain(run, owner)
    expect((await onlyPassword.read('/api/credentials')).status).toBe(200)
    expect(codeOf(await onlyPassword.read('/api/audit'))).toBe('aal2_required')
  })

  test('A3: a second session within 90 seconds signs in but gains no freshness', async () => {
    const second = await signInAgain(run, owner)
    await stepUpToAal2(second, secret)
    const answer = await second.call('step-up', {
      tenant_id: tenantId,
      action: 'credential.store',
      target_id: randomUUID(),
      request_digest: 'd'.repeat(43),
    })
    expect([answer.status, codeOf(answer)]).toEqual([403, 'freshness_claimed'])
  })

  test('L1: storing and each poll left an intent row and an outcome row that names it', async () => {
    const { rows } = (await owner.read('/api/audit')).body as { rows: AuditRow[] }
    for (const action of ['tenant.create', 'credential.store', 'credential.open']) {
      const intent = rows.find((row) => row.action === action)
      expect(intent, action).toBeDefined()
      const outcome = rows.find((row) => row.detail.intent === intent?.row_id)
      expect(outcome?.detail.succeeded, action).toBe('true')
    }
  })

  test('T4: another tenant, asking for this one, is not a member', async () => {
    const outsider = await signUp(run)
    await enrolTotp(outsider)
    const answer = await outsider.read('/api/sites', { 'flarewatch-tenant': tenantId })
    expect([answer.status, codeOf(answer)]).toEqual([403, 'not_a_member'])
  })

  function storeBody() {
    return {
      tenant_id: tenantId,
      credential_id: credentialId,
      provider: 'cloudflare',
      label: 'Main',
      secret: token,
    }
  }
  function stepUpFor(target: string): Promise<string> {
    return mintStepUp(owner, { action: 'credential.store', target_id: target }, storeBody())
  }
  function store(stepUp: string, changed: Record<string, string> = {}): Promise<Answer> {
    return owner.call('credential-store', { ...storeBody(), ...changed }, { 'flarewatch-step-up': stepUp })
  }
})

type AuditRow = { row_id: string; action: string; detail: Record<string, string> }
