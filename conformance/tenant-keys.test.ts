import { beforeAll, describe, expect, inject, test } from 'vitest'
import { type Agency, codeOf, foundAgency } from './agency.ts'
import { CLI, start } from './command.ts'
import { runningStack } from './running.ts'
import { fireCron, issueToken, until, untilPolled } from './stack.ts'

/** The operator's two commands over one tenant's keys, on the running stack, and what a member sees of them. */
const run = runningStack()
let agency: Agency
let token: string

beforeAll(async () => {
  agency = await foundAgency(run)
  token = await issueToken(run)
  const stored = await agency.store(token)
  expect(stored.status, stored.text).toBe(200)
  await fireCron(run, 'scheduler', '* * * * *')
  await untilPolled(agency.owner)
})

type Document = Record<string, unknown> & { readonly ok: boolean; readonly error?: { readonly code: string } }
type Ended = { readonly status: number | null; readonly document: Document; readonly stderr: string }

async function flarewatch(...args: string[]): Promise<Ended> {
  const { stdout, stderr, status } = await start([...CLI, ...args, '--data', inject('dataDir'), '--json']).finished
  return { status, stderr, document: JSON.parse(stdout) as Document }
}

type Row = { readonly action: string; readonly actor: string; readonly outcome: { readonly state: string } | null }
async function acts(action: string): Promise<Row[]> {
  const answer = await agency.owner.read(`/api/audit?action=${action}`)
  expect(answer.status, answer.text).toBe(200)
  return (answer.body as { rows: Row[] }).rows
}

describe('flarewatch keys rotate-dek', () => {
  test('V1 L1: the credential is re-encrypted by the running stack, its owner sees by whom, and polls go on', async () => {
    const rotating = flarewatch('keys', 'rotate-dek', agency.tenantId)
    await until(async () => {
      await fireCron(run, 'scheduler', '* * * * *')
      const { document } = await flarewatch('keys', 'rotate-dek', agency.tenantId, '--status')
      return document.version === 2 && document.state === 'settled'
    }, 'the rotation ends')
    const { status, document, stderr } = await rotating
    expect([status, document]).toEqual([
      0,
      {
        ok: true,
        tenant_id: agency.tenantId,
        state: 'settled',
        version: 2,
        versions: [2],
        credentials: 1,
        behind: 0,
        failing: 0,
      },
    ])
    expect(stderr).toContain('0 of 1 credentials are under version 2')
    for (const action of ['tenant_dek.rotate', 'credential.reseal', 'tenant_dek.destroy']) {
      await until(
        async () => (await acts(action)).at(-1)?.outcome?.state === 'succeeded',
        `${action} is shown as ended`,
      )
    }
    const { credentials } = (await agency.owner.read('/api/credentials')).body as {
      credentials: { state: string; reason: null }[]
    }
    expect(credentials).toMatchObject([{ state: 'active', reason: null }])
  })
})

describe('flarewatch tenant delete', () => {
  test('V2 L4: takes the tenant from its members, and ends with a certificate that anyone can read', async () => {
    expect(await flarewatch('tenant', 'delete', agency.tenantId)).toMatchObject({ status: 2 })
    const wrong = await flarewatch('tenant', 'delete', agency.tenantId, '--confirm', 'Another agency')
    expect([wrong.status, wrong.document.error?.code]).toEqual([1, 'name_mismatch'])
    expect((await agency.owner.read('/api/sites')).status).toBe(200)

    const deleting = flarewatch('tenant', 'delete', agency.tenantId, '--confirm', 'Agency under test')
    await until(async () => {
      await fireCron(run, 'verifier', '*/5 * * * *')
      return (await fetch(`${run.gateway_url}/receipts/${agency.tenantId}/shredding`)).status === 200
    }, 'the shredding is certified')
    const { status, document } = await deleting
    expect([status, document]).toMatchObject([
      0,
      { ok: true, anchored: true, destroyed: { deks: 1, audit_keys: 1, credentials: 1 } },
    ])
    const published = await fetch(`${run.gateway_url}/receipts/${agency.tenantId}/shredding`)
    expect(await published.text()).toBe(document.certificate)
    const newest = await (await fetch(`${run.gateway_url}/receipts/${agency.tenantId}`)).text()
    expect(newest.split('\n')[1]).toBe(String(document.last_seq))

    for (const path of ['/api/sites', '/api/credentials', '/api/audit', '/api/audit/export', '/api/receipts']) {
      expect([path, codeOf(await agency.owner.read(path, { 'flarewatch-tenant': agency.tenantId }))]).toEqual([
        path,
        'not_a_member',
      ])
    }
    const { tenants } = (await agency.owner.read('/api/me')).body as { tenants: unknown[] }
    expect(tenants).toEqual([])
  })

  test('V2: does not give the id again, and told once more says the same', async () => {
    const again = await agency.owner.call('tenant-create', { tenant_id: agency.tenantId, name: 'Agency under test' })
    expect([again.status, codeOf(again)]).toEqual([410, 'tenant_deleted'])
    const stored = await agency.store(token).catch((error: Error) => error.message)
    expect(String(stored)).toContain('not_a_member')
    const repeated = await flarewatch('tenant', 'delete', agency.tenantId, '--confirm', 'whatever')
    expect(repeated).toMatchObject({ status: 0, document: { ok: true, anchored: true } })
    expect((await flarewatch('keys', 'rotate-dek', agency.tenantId)).document.error?.code).toBe('tenant_unknown')
  })
})
