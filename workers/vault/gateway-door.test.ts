import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { GatewayDoorRefusal, UnsealedAudit } from '../../domain/contracts/gateway-door.ts'
import { bornTenant, flushedRows, type StandTenant, storeCredential } from '../../local/stands/tenants.ts'
import { newUser, startVaultStand, type User, type VaultStand } from '../../local/stands/vault-stand.ts'

let stand: VaultStand
beforeAll(async () => {
  stand = await startVaultStand()
})
afterAll(() => stand?.stop())

describe('audit content', () => {
  it('L1 is unsealed for a member at AAL2, a page at a time, and the reading is a row', async () => {
    const tenant = await bornTenant(stand)
    await storeCredential(stand, tenant, 'cf-token-0001')
    await flushedRows(stand, tenant.id, 3)
    const first = await read(tenant, tenant.owner, { limit: 2 })
    if (!first.ok) throw new Error(first.code)
    expect(first.rows.map(({ seq, action }) => [seq, action])).toEqual([
      [1, 'tenant.create'],
      [2, 'step_up.mint'],
    ])
    expect(first.nextAfterSeq).toBe(2)
    await flushedRows(stand, tenant.id, 4)
    const second = await read(tenant, tenant.owner, { afterSeq: 2, limit: 50 })
    if (!second.ok) throw new Error(second.code)
    expect(second.rows.slice(0, 2).map(({ action }) => action)).toEqual(['credential.store', 'audit.read'])
    expect(second.rows[1]).toMatchObject({ actor: `user:${tenant.owner.id}`, detail: { after: '0', limit: '2' } })
    expect(second.nextAfterSeq).toBeNull()
  })

  it('A2 T4 is for nobody at AAL1, no outsider, and nobody with a token of ours that is not', async () => {
    const tenant = await bornTenant(stand)
    expect(await read(tenant, tenant.owner, {}, { aal: 'aal1' })).toEqual({ ok: false, code: 'aal2_required' })
    expect(await read(tenant, newUser())).toEqual({ ok: false, code: 'not_a_member' })
    expect(await read(tenant, tenant.owner, {}, { aud: 'mcp' })).toEqual({ ok: false, code: 'user_token_invalid' })
    expect(await stand.call('AUDIT_LEDGER', tenant.id, 'head')).toMatchObject({ seq: 1 })
  })

  it('T3 shows a row whose sealed bytes were changed as one that does not open, and the others', async () => {
    const tenant = await bornTenant(stand)
    await storeCredential(stand, tenant, 'cf-token-0001')
    await flushedRows(stand, tenant.id, 3)
    await stand.sql.begin(async (sql) => {
      const [leaf] = await sql<{ name: string }[]>`
        select tableoid::regclass::text as name from flarewatch.audit_log where tenant_id = ${tenant.id} limit 1`
      const table = sql(leaf?.name ?? '')
      await sql`alter table ${table} disable trigger user`
      await sql`update ${table} set sealed = set_byte(sealed, 40, get_byte(sealed, 40) # 1)
        where tenant_id = ${tenant.id} and seq = 2`
      await sql`alter table ${table} enable trigger user`
    })
    const page = await read(tenant, tenant.owner)
    if (!page.ok) throw new Error(page.code)
    expect(page.rows.slice(0, 3).map(({ action }) => action)).toEqual([
      'tenant.create',
      'row.not_openable',
      'credential.store',
    ])
  })

  it('L1 is not unsealed when the reading cannot be made a row', async () => {
    const tenant = await bornTenant(stand)
    await stand.restart({ ledger: 'unreachable' })
    expect(await read(tenant, tenant.owner)).toEqual({ ok: false, code: 'ledger_unreachable' })
    await stand.restart()
  })

  it('tells the gateway whether the vault is ready', async () => {
    expect(await stand.call('GATEWAY_DOOR', null, 'ready')).toEqual({ ok: true })
  })
})

async function read(
  tenant: StandTenant,
  user: User,
  query: object = {},
  claims: object = {},
): Promise<UnsealedAudit | GatewayDoorRefusal> {
  const jwt = await stand.userJwt(user, { ...claims })
  const asked = { tenantId: tenant.id, afterSeq: 0, limit: 50, ...query }
  return stand.call('GATEWAY_DOOR', null, 'unsealAudit', jwt, asked) as Promise<UnsealedAudit | GatewayDoorRefusal>
}
