import { randomUUID } from 'node:crypto'
import { beforeAll, describe, expect, test } from 'vitest'
import { type Agency, act, codeOf, foundAgency, mintStepUp } from './agency.ts'
import type { Answer } from './person.ts'
import { runningStack } from './running.ts'
import { fireCron, issueToken, simulate, untilPolled } from './stack.ts'

/** What becomes of a credential after it was stored, by the calls that a person's browser makes. */
const run = runningStack()

describe('a stored credential', () => {
  const id = randomUUID()
  let agency: Agency
  let first: string
  let site: Site

  beforeAll(async () => {
    agency = await foundAgency(run)
    first = await issueToken(run, 'dns')
    expect((await agency.store(first, id)).status).toBe(200)
    await fireCron(run, 'scheduler', '* * * * *')
    await untilPolled(agency.owner)
    const [found] = await sites()
    if (found === undefined) throw new Error('no site was found')
    site = found
  })

  test('T5: its line tells what the token can, and what of it is more than needed', async () => {
    expect(await line()).toMatchObject({
      grade: 'over_scoped',
      can: ['read analytics', 'edit DNS', 'read zones'],
      excess: ['edit DNS'],
    })
  })

  test('a secret that the provider refuses leaves the old one in place', async () => {
    const refused = await rotate(`cfut_${'x'.repeat(40)}`)
    expect(codeOf(refused)).toBe('credential_rejected')
    expect(await line()).toMatchObject({ last4: first.slice(-4), rotated_at: null })
  })

  test('V1: rotated, it is the same credential with the new secret, and the next poll uses that', async () => {
    const second = await issueToken(run, 'purge')
    const rotated = await rotate(second)
    expect(rotated.status, rotated.text).toBe(200)
    await simulate(run, 'tokens/revoke', { token: first })
    expect(await line()).toMatchObject({ last4: second.slice(-4), state: 'active', excess: ['purge cache'] })
    const before = Date.parse((await line())?.last_success_at ?? '')
    await fireCron(run, 'scheduler', '* * * * *')
    await expect
      .poll(async () => Date.parse((await line())?.last_success_at ?? ''), { timeout: 30_000 })
      .toBeGreaterThan(before)
    expect((await line())?.state).toBe('active')
  })

  test('A4: what is purged is what was confirmed; the provider gets exactly that, once', async () => {
    const body = { ...names(), site_id: site.id, purge: { purge_everything: true } }
    const target = { action: 'provider.purge_cache', target_id: id } as const
    const before = (await purgesSeen()).length
    const stepUp = await mintStepUp(agency.owner, target, body)
    const key = { 'flarewatch-step-up': stepUp, 'idempotency-key': randomUUID() }
    const other = { ...body, purge: { files: [`https://${site.name}/`] } }
    expect(codeOf(await agency.owner.call('provider-action', other, { ...key, 'idempotency-key': randomUUID() }))).toBe(
      'step_up_invalid',
    )
    const again = { ...key, 'flarewatch-step-up': await mintStepUp(agency.owner, target, body) }
    const purged = await agency.owner.call('provider-action', body, again)
    expect(purged.status, purged.text).toBe(200)
    expect((await agency.owner.call('provider-action', body, again)).body).toEqual(purged.body)
    const sent = (await purgesSeen()).slice(before)
    expect(sent.map(({ body: text }) => text)).toEqual(['{"purge_everything":true}'])
  })

  test('an address of another site is refused before anything is sent', async () => {
    const purge = { files: ['https://elsewhere.example/a.css'] }
    const refused = await perform('provider-action', 'provider.purge_cache', { ...names(), site_id: site.id, purge })
    expect(codeOf(refused)).toBe('request_invalid')
  })

  test('a token that may not purge is told apart from a request that is wrong', async () => {
    await rotate(await issueToken(run, 'read'))
    const body = { ...names(), site_id: site.id, purge: { purge_everything: true } }
    expect(codeOf(await perform('provider-action', 'provider.purge_cache', body))).toBe('provider_permission_missing')
  })

  test('deleted, it opens no more, and its sites keep their figures', async () => {
    const deleted = await perform('credential-delete', 'credential.delete', names())
    expect(deleted.status, deleted.text).toBe(200)
    expect(await line()).toMatchObject({
      state: 'parked',
      reason: 'credential_deleted',
      deleted_at: expect.any(String),
    })
    expect((await sites()).map((kept) => kept.id)).toContain(site.id)
    expect(codeOf(await rotate(await issueToken(run)))).toBe('credential_unknown')
    expect(codeOf(await perform('credential-delete', 'credential.delete', names()))).toBe('credential_unknown')
  })

  test('L1: each act left its intent and how it ended, and each misuse a row', async () => {
    const { rows } = (await agency.owner.read('/api/audit?order=newest&limit=200')).body as { rows: AuditRow[] }
    const ends = (action: string) => rows.filter((row) => row.action === action).map(({ outcome }) => outcome?.code)
    expect(ends('credential.rotate')).toEqual(['rotated', 'rotated'])
    expect(ends('credential.delete')).toEqual(['credential_unknown', 'deleted'])
    expect(ends('provider.purge_cache')).toEqual(['provider_permission_missing', 'purged'])
    expect(rows.filter(({ action }) => action === 'step_up.refused')).toHaveLength(1)
  })

  const names = () => ({ tenant_id: agency.tenantId, credential_id: id })
  function perform(name: string, action: string, body: Parameters<typeof act>[3]): Promise<Answer> {
    return act(agency.owner, name, { action, target_id: id }, body)
  }
  function rotate(secret: string): Promise<Answer> {
    const body = { ...names(), provider: 'cloudflare', secret }
    return perform('credential-rotate', 'credential.rotate', body)
  }
  async function line(): Promise<Line | undefined> {
    return ((await agency.owner.read('/api/credentials')).body as { credentials: Line[] }).credentials.find(
      (credential) => credential.id === id,
    )
  }
  async function sites(): Promise<Site[]> {
    return ((await agency.owner.read('/api/sites')).body as { sites: Site[] }).sites
  }
  async function purgesSeen(): Promise<{ body: string }[]> {
    const { requests } = (await simulate(run, 'requests', {}, 'GET')) as { requests: { path: string; body: string }[] }
    return requests.filter(({ path }) => path.endsWith('/purge_cache'))
  }
})

describe('a Resend key', () => {
  const id = randomUUID()
  let agency: Agency
  let siteId: string

  beforeAll(async () => {
    agency = await foundAgency(run)
    const { key: secret } = (await resend('POST', 'keys', { permission: 'full_access' })) as { key: string }
    const names = { tenant_id: agency.tenantId, credential_id: id }
    const stored = await perform('credential-store', 'credential.store', {
      ...names,
      provider: 'resend',
      label: 'Mail',
      secret,
    })
    expect(stored.status, stored.text).toBe(200)
    const { sites } = stored.body as { sites: Site[] }
    siteId = sites[0]?.id ?? expect.fail()
  })

  test('A4: has a domain verified and an address taken off its list, each once and as it was confirmed', async () => {
    const names = { tenant_id: agency.tenantId, credential_id: id, site_id: siteId }
    const before = (await sent()).length
    const verified = await perform('provider-action', 'provider.verify_domain', { ...names, verify: true })
    expect(verified.status, verified.text).toBe(200)
    const read = await perform('provider-action', 'provider.read_suppressions', { ...names, suppressions_after: null })
    const [first] = (read.body as { suppressions: { id: string; email: string }[] }).suppressions
    const removal = { ...names, remove_suppression: first?.id ?? expect.fail() }
    const target = { action: 'provider.remove_suppression', target_id: id } as const
    const stepUp = await mintStepUp(agency.owner, target, removal)
    const key = { 'flarewatch-step-up': stepUp, 'idempotency-key': randomUUID() }
    const removed = await agency.owner.call('provider-action', removal, key)
    expect(removed.status, removed.text).toBe(200)
    expect((await agency.owner.call('provider-action', removal, key)).body).toEqual(removed.body)
    const domain = (verified.body as { provider_id: string }).provider_id
    expect((await sent()).slice(before)).toEqual([
      `POST /domains/${domain}/verify`,
      'GET /suppressions?limit=100',
      `DELETE /suppressions/${first?.id}`,
    ])
    const { rows } = (await agency.owner.read('/api/audit?order=newest&limit=50')).body as { rows: AuditRow[] }
    const ended = rows.filter(({ action }) => action.startsWith('provider.'))
    expect(ended.map(({ action, outcome }) => [action, outcome?.code])).toEqual([
      ['provider.remove_suppression', 'removed'],
      ['provider.read_suppressions', 'read'],
      ['provider.verify_domain', 'verification_started'],
    ])
    expect(JSON.stringify(rows)).not.toContain(first?.email)
  })

  test('is not asked for what is another provider’s to do', async () => {
    const names = { tenant_id: agency.tenantId, credential_id: id, site_id: siteId }
    const purge = { purge_everything: true }
    expect(codeOf(await perform('provider-action', 'provider.purge_cache', { ...names, purge }))).toBe(
      'request_invalid',
    )
  })

  function perform(name: string, action: string, body: Parameters<typeof act>[3]): Promise<Answer> {
    return act(agency.owner, name, { action, target_id: id }, body)
  }
  /** Polls of others go on meanwhile. */
  async function sent(): Promise<string[]> {
    const { requests } = (await resend('GET', 'requests')) as { requests: { method: string; path: string }[] }
    return requests
      .filter(({ method, path }) => method !== 'GET' || path.startsWith('/suppressions'))
      .map(({ method, path }) => `${method} ${path}`)
  }
  async function resend(method: string, act: string, body?: unknown): Promise<unknown> {
    const url = `${run.simulators.resend?.control_url}/${act}`
    const response = await fetch(url, { method, ...(body === undefined ? {} : { body: JSON.stringify(body) }) })
    if (!response.ok) throw new Error(`the simulator refused ${act}: ${await response.text()}`)
    return response.json()
  }
})

type Line = { id: string; state: string; last_success_at: string | null }
type Site = { id: string; name: string }
type AuditRow = { action: string; outcome: { code: string } | null }
