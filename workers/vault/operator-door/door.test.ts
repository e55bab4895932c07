import { randomUUID } from 'node:crypto'
import { type JWTPayload, SignJWT } from 'jose'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { AuditRow } from '../../../domain/audit/row.ts'
import { bornTenant, leaseJob, storeCredential } from '../../../local/stands/tenants.ts'
import { type OperatorAnswer, startVaultStand, type VaultStand } from '../../../local/stands/vault-stand.ts'

let stand: VaultStand
beforeAll(async () => {
  stand = await startVaultStand()
})
afterAll(() => stand?.stop())

const seconds = () => Math.floor(stand.now() / 1000)
const freeze = (tenantId: string, claims?: JWTPayload): Promise<OperatorAnswer> =>
  stand.operatorCall('tenant-freeze', { tenant_id: tenantId, reason: 'drill' }, claims === undefined ? {} : { claims })
const unfreeze = (tenantId: string) => stand.operatorCall('tenant-unfreeze', { tenant_id: tenantId })

describe('the operator JWT', () => {
  it('T6 is used once', async () => {
    const [{ id }, jti] = [await bornTenant(stand), randomUUID()]
    expect((await freeze(id, { jti })).code).toBeNull()
    expect(await freeze(id, { jti })).toMatchObject({ status: 401, code: 'operator_token_replayed' })
  })

  it.each([
    ['another operation', () => ({ op: 'tenant-unfreeze' })],
    ['another body', () => ({ body_sha256: 'A'.repeat(43) })],
    ["the Edge service's audience", () => ({ aud: 'flarewatch-vault' })],
    ["the Edge service's issuer", () => ({ iss: 'flarewatch-edge' })],
    ['a longer life than 30 s', () => ({ exp: seconds() + 60 })],
    ['a past', () => ({ iat: seconds() - 90, exp: seconds() - 60 })],
    ['a future', () => ({ iat: seconds() + 60, exp: seconds() + 90 })],
    ['no jti', () => ({ jti: 'x' })],
  ])('T6 with %s is refused, and freezes nobody', async (_, claims) => {
    const { id } = await bornTenant(stand)
    expect(await freeze(id, claims())).toMatchObject({ status: 401, code: 'operator_token_invalid' })
    expect(await stand.call('AUDIT_LEDGER', id, 'head')).toMatchObject({ frozen: false })
  })

  it("T6 forged, unsigned, or signed by the Edge service's key is refused", async () => {
    const { id } = await bornTenant(stand)
    const body = { tenant_id: id, reason: 'drill' }
    const claims = { iss: 'flarewatch-operator', aud: 'flarewatch-vault-operator' }
    const unsigned = `${Buffer.from('{"alg":"none"}').toString('base64url')}.${Buffer.from('{}').toString('base64url')}.`
    const tokens = [
      'none',
      `Bearer ${unsigned}`,
      `Bearer ${await new SignJWT({}).setProtectedHeader({ alg: 'HS256' }).sign(new Uint8Array(32))}`,
      `Bearer ${await stand.signService('tenant-freeze', JSON.stringify(body), claims)}`,
    ]
    for (const authorization of tokens) {
      const answer = await stand.operatorCall('tenant-freeze', body, { authorization })
      expect(answer).toMatchObject({ status: 401, code: 'operator_token_invalid' })
    }
  })
})

describe('freezing', () => {
  it('T6 stops releases until it is lifted, and each act is a row', async () => {
    const tenant = await bornTenant(stand)
    const credential = await storeCredential(stand, tenant, 'cf-token-for-a-frozen-tenant-0001')
    const job = await leaseJob(stand, tenant.id, credential.id)
    const frozen = await freeze(tenant.id)
    expect(frozen.body).toMatchObject({ frozen: true })
    expect(await open(job)).toMatchObject({ ok: false, code: 'tenant_frozen' })
    const lifted = await unfreeze(tenant.id)
    expect(lifted.body).toMatchObject({ frozen: false })
    expect(await open(job)).toMatchObject({ ok: true })
    const ids = await rowIds(tenant.id)
    expect(ids).toContain(frozen.body.row_id)
    expect(ids).toContain(lifted.body.row_id)
  })

  it('T6 freezes where no row can be made, and says so; unfreezing then is refused', async () => {
    const tenant = await bornTenant(stand)
    stand.vaultDoor.shut()
    // New isolates hold no audit key, so that nothing can be sealed.
    await stand.restart()
    expect((await freeze(tenant.id)).body).toEqual({ frozen: true, row_id: null })
    expect(await unfreeze(tenant.id)).toMatchObject({ status: 503, code: 'store_unreachable' })
    expect(await stand.call('AUDIT_LEDGER', tenant.id, 'head')).toMatchObject({ frozen: true })
    stand.vaultDoor.open()
    expect((await freeze(tenant.id)).body.row_id).toEqual(expect.any(String))
  })

  it('T6 a tenant that went over its budget can use it again in the same hour once it is unfrozen', async () => {
    const tenant = await bornTenant(stand)
    const [known] = (await stand.call('AUDIT_LEDGER', tenant.id, 'rowsFrom', 1, 1)) as AuditRow[]
    const release = async () => {
      const { epoch: _, seq: __, at: ___, previousHash: ____, hash: _____, ...row } = known ?? ({} as AuditRow)
      const asked = {
        row: { ...row, rowId: randomUUID() },
        at: stand.now(),
        release: { door: 'connector', budgetPerHour: 1 },
      }
      return stand.call('AUDIT_LEDGER', tenant.id, 'append', asked)
    }
    expect(await release()).toMatchObject({ ok: true })
    expect(await release()).toMatchObject({ ok: false, code: 'budget_exceeded' })
    await unfreeze(tenant.id)
    expect(await release()).toMatchObject({ ok: true })
  })

  it('of a tenant that there is not, or in a malformed request, is refused', async () => {
    expect(await freeze(randomUUID())).toMatchObject({ status: 404, code: 'tenant_unknown' })
    expect(await unfreeze(randomUUID())).toMatchObject({ status: 404, code: 'tenant_unknown' })
    for (const body of [{}, { tenant_id: 'x', reason: 'r' }, { tenant_id: randomUUID(), reason: ' ' }]) {
      expect(await stand.operatorCall('tenant-freeze', body)).toMatchObject({ status: 422, code: 'request_invalid' })
    }
  })
})

describe('a tier', () => {
  const setTier = (tenantId: string, tier: string) => stand.operatorCall('tenant-tier', { tenant_id: tenantId, tier })
  const tierOf = async (tenantId: string) =>
    (await stand.sql`select tier from flarewatch.tenants where id = ${tenantId}`)[0]?.tier

  it('is set with a row in the chain, and again by asking again', async () => {
    const { id } = await bornTenant(stand)
    expect(await tierOf(id)).toBe('free')
    const set = await setTier(id, 'agency')
    expect(set.body).toMatchObject({ tier: 'agency' })
    expect(await rowIds(id)).toContain(set.body.row_id)
    expect((await setTier(id, 'agency')).body).toMatchObject({ tier: 'agency' })
    expect(await tierOf(id)).toBe('agency')
  })

  it('that there is not, or of a tenant that there is not, is refused', async () => {
    const { id } = await bornTenant(stand)
    expect(await setTier(id, 'gold')).toMatchObject({ status: 422, code: 'request_invalid' })
    expect(await setTier(randomUUID(), 'pro')).toMatchObject({ status: 404, code: 'tenant_unknown' })
    expect(await tierOf(id)).toBe('free')
  })
})

function open(job: string): Promise<unknown> {
  return stand.call('CONNECTOR_DOOR', null, 'open', job)
}

async function rowIds(tenantId: string): Promise<string[]> {
  return ((await stand.call('AUDIT_LEDGER', tenantId, 'rowsFrom', 1, 500)) as AuditRow[]).map(({ rowId }) => rowId)
}
