import { randomUUID } from 'node:crypto'
import type { JWTPayload } from 'jose'
import { SignJWT } from 'jose'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { EdgeOperation } from '../../../domain/contracts/edge-door.ts'
import {
  activateTenant,
  askSeal,
  beginTenant,
  bornTenant,
  DIGEST,
  leaseJob,
  mintStepUp,
  type StandTenant,
  storeCredential,
} from '../../../local/stands/tenants.ts'
import { newUser, startVaultStand, type User, type VaultStand } from '../../../local/stands/vault-stand.ts'

let stand: VaultStand
beforeAll(async () => {
  stand = await startVaultStand()
})
afterAll(() => stand?.stop())

const SECOND = 1000
const seconds = () => Math.floor(stand.now() / SECOND)

describe('the service JWT', () => {
  const prepare = (service: JWTPayload, authorization?: string) =>
    stand.edgeCall(
      'tenant-prepare',
      { tenant_id: randomUUID() },
      { user: newUser(), service, ...(authorization && { authorization }) },
    )

  it('T6 is used once', async () => {
    const jti = randomUUID()
    expect((await prepare({ jti })).code).toBeNull()
    expect(await prepare({ jti })).toMatchObject({ status: 401, code: 'service_token_replayed' })
  })

  it.each([
    ['another operation', () => ({ op: 'credential-seal' })],
    ['another body', () => ({ body_sha256: 'A'.repeat(43) })],
    ['another audience', () => ({ aud: 'flarewatch-gateway' })],
    ['another issuer', () => ({ iss: 'somebody' })],
    ['a longer life than 30 s', () => ({ exp: seconds() + 60 })],
    ['a past', () => ({ iat: seconds() - 90, exp: seconds() - 60 })],
    ['a future', () => ({ iat: seconds() + 60, exp: seconds() + 90 })],
  ])('T6 with %s is refused', async (_, claims) => {
    expect(await prepare(claims())).toMatchObject({ status: 401, code: 'service_token_invalid' })
  })

  it('T6 missing, unsigned or under a shared secret is refused', async () => {
    const unsigned = `${Buffer.from('{"alg":"none"}').toString('base64url')}.${Buffer.from('{}').toString('base64url')}.`
    const symmetric = await new SignJWT({}).setProtectedHeader({ alg: 'HS256' }).sign(new Uint8Array(32))
    for (const token of ['', `Bearer ${unsigned}`, `Bearer ${symmetric}`]) {
      expect(await prepare({}, token || 'none')).toMatchObject({ status: 401, code: 'service_token_invalid' })
    }
  })
})

describe("the user's JWT", () => {
  const prepare = (claims: JWTPayload) =>
    stand.edgeCall('tenant-prepare', { tenant_id: randomUUID() }, { user: newUser(), claims })

  it.each([
    ['another audience', () => ({ aud: 'mcp' })],
    ['another issuer', () => ({ iss: 'http://elsewhere.test' })],
    ['its time over', () => ({ exp: seconds() - 60 })],
    ['no session', () => ({ session_id: null })],
    ['the service role', () => ({ role: 'service_role' })],
  ])('T1 with %s is refused', async (_, claims) => {
    expect(await prepare(claims())).toMatchObject({ status: 401, code: 'user_token_invalid' })
  })

  it('A2 at AAL1 opens no operation but recovery', async () => {
    const operations: [EdgeOperation, object][] = [
      ['tenant-prepare', { tenant_id: randomUUID() }],
      ['tenant-activate', { tenant_id: randomUUID() }],
      ['step-up-mint', { tenant_id: randomUUID(), action: 'credential.store' }],
      ['act-begin', { tenant_id: randomUUID(), action: 'member.role' }],
      ['credential-seal', { tenant_id: randomUUID(), credential_id: randomUUID(), provider: 'cloudflare' }],
      ['recovery-begin', { act: 'codes' }],
      ['withdraw-begin', { tenant_id: randomUUID(), action: 'invitation.withdraw' }],
    ]
    for (const [operation, body] of operations) {
      const answer = await stand.edgeCall(operation, body, { user: newUser(), claims: { aal: 'aal1' } })
      expect(answer).toMatchObject({ status: 403, code: 'aal2_required' })
    }
  })
})

describe('freshness', () => {
  it.each([
    ['301 s old', -301, 'aal2_stale'],
    ['299 s old', -299, null],
    ['29 s ahead', 29, null],
    ['32 s ahead', 32, 'aal2_stale'],
  ])('A3 a TOTP %s', async (_, offset, code) => {
    const tenant = await bornTenant(stand)
    const amr = [{ method: 'totp', timestamp: seconds() + offset }]
    expect((await mint(tenant, tenant.owner, { amr })).code).toBe(code)
  })

  it('A3 is judged from the newest TOTP, and a password is none', async () => {
    const tenant = await bornTenant(stand)
    const old = { method: 'totp', timestamp: seconds() - 3000 }
    const password = { method: 'password', timestamp: seconds() }
    expect((await mint(tenant, tenant.owner, { amr: [old, password] })).code).toBe('aal2_stale')
    const recent = { method: 'totp', timestamp: seconds() - 10 }
    expect((await mint(tenant, tenant.owner, { amr: [old, recent] })).code).toBeNull()
  })

  it('A3 a second session of the user in 90 s claims none', async () => {
    const tenant = await bornTenant(stand)
    const thief = { ...tenant.owner, session: randomUUID() }
    expect((await mint(tenant, tenant.owner)).code).toBeNull()
    expect(await mint(tenant, thief)).toMatchObject({ status: 403, code: 'freshness_claimed' })
    expect((await mint(tenant, tenant.owner)).code).toBeNull()
  })
})

describe('a step-up token', () => {
  it('A4 opens one of two concurrent stores', async () => {
    const [tenant, credential] = [await bornTenant(stand), randomUUID()]
    const { token } = (await mintStepUp(stand, tenant, credential)).body
    const answers = await Promise.all([
      askSeal(stand, tenant, credential, token),
      askSeal(stand, tenant, credential, token),
    ])
    expect(answers.map(({ code }) => code).sort()).toEqual([null, 'step_up_invalid'].sort())
  })

  it('A4 is demanded, for this very credential', async () => {
    const [tenant, credential] = [await bornTenant(stand), randomUUID()]
    expect(await askSeal(stand, tenant, credential, undefined)).toMatchObject({ status: 403, code: 'step_up_required' })
    const { token } = (await mintStepUp(stand, tenant, credential)).body
    expect((await askSeal(stand, tenant, randomUUID(), token)).code).toBe('step_up_invalid')
  })

  it('A4 is not minted for a viewer, an outsider, or a tenant that is not born', async () => {
    const tenant = await bornTenant(stand)
    const [viewer, outsider, owner, pending] = [newUser(), newUser(), newUser(), randomUUID()]
    await stand.sql`insert into flarewatch.members (tenant_id, user_id, role) values (${tenant.id}, ${viewer.id}, 'viewer')`
    expect((await mint(tenant, viewer)).code).toBe('role_insufficient')
    expect((await mint(tenant, outsider)).code).toBe('not_a_member')
    await beginTenant(stand, pending, owner)
    expect((await mint({ id: pending, owner, birthRow: '' }, owner)).code).toBe('tenant_not_active')
  })
})

describe('an act that needs no key', () => {
  const act = (tenant: StandTenant, changed: object = {}) => ({
    tenant_id: tenant.id,
    action: 'member.role',
    target_id: tenant.owner.id,
    request_digest: DIGEST,
    ...changed,
  })
  const begin = async (user: User, body: object, token?: string) =>
    stand.edgeCall('act-begin', body, { user, ...(token === undefined ? {} : { stepUp: token }) })

  it('A4 L1 is announced by a row for its token, once, and ended by its own user', async () => {
    const tenant = await bornTenant(stand)
    const { token } = (await stand.edgeCall('step-up-mint', act(tenant), { user: tenant.owner })).body
    expect((await begin(tenant.owner, act(tenant))).code).toBe('step_up_required')
    const begun = await begin(tenant.owner, act(tenant), token)
    expect(begun.code).toBeNull()
    expect((await begin(tenant.owner, act(tenant), token)).code).toBe('step_up_invalid')
    const ended = { tenant_id: tenant.id, intent_row: begun.body.intent_row, succeeded: true, code: 'changed' }
    expect((await stand.edgeCall('settle', ended, { user: tenant.owner })).code).toBeNull()
    // Birth, the token, the act, the misuse, the ending.
    expect(await stand.call('AUDIT_LEDGER', tenant.id, 'head')).toMatchObject({ seq: 5 })
  })

  it.each([
    ['action', 'member.remove'],
    ['target_id', randomUUID()],
    ['request_digest', 'e'.repeat(43)],
  ])('A4 with a token for another %s is refused like any misuse', async (field, other) => {
    const tenant = await bornTenant(stand)
    const { token } = (await stand.edgeCall('step-up-mint', act(tenant), { user: tenant.owner })).body
    expect(await begin(tenant.owner, act(tenant, { [field]: other }), token)).toMatchObject({
      status: 403,
      code: 'step_up_invalid',
    })
  })

  it('is not for a key, nor for a role that may not do it', async () => {
    const tenant = await bornTenant(stand)
    expect((await begin(tenant.owner, act(tenant, { action: 'credential.reveal' }))).code).toBe('request_invalid')
    const operator = newUser()
    await stand.sql`insert into flarewatch.members (tenant_id, user_id, role) values (${tenant.id}, ${operator.id}, 'operator')`
    expect((await begin(operator, act(tenant))).code).toBe('role_insufficient')
  })
})

describe('the birth of a tenant', () => {
  it('L1 is resumable: activated again it has one row, and the wrap that was stored', async () => {
    const [id, owner] = [randomUUID(), newUser()]
    await beginTenant(stand, id, owner)
    const activate = () => stand.edgeCall('tenant-activate', { tenant_id: id }, { user: owner })
    const [first, second] = await Promise.all([activate(), activate()])
    expect([first.code, second.code]).toEqual([null, null])
    expect(first.body.intent_row).toBe(second.body.intent_row)
    const tenant = await activateTenant(stand, id, owner)
    expect(tenant.birthRow).toBe(first.body.intent_row)
    const third = await activate()
    const [stored] = await stand.sql<{ wrapped_dek: Uint8Array }[]>`
      select wrapped_dek from flarewatch.tenant_keys where tenant_id = ${id}`
    expect(third.body.wrapped_dek).toBe(Buffer.from(stored?.wrapped_dek ?? []).toString('base64url'))
    expect(await stand.call('AUDIT_LEDGER', id, 'head')).toMatchObject({ seq: 1 })
    const credential = await storeCredential(stand, tenant, 'cf-token-0001')
    const job = await leaseJob(stand, id, credential.id)
    expect(await stand.call('CONNECTOR_DOOR', null, 'open', job)).toMatchObject({ ok: true })
  })

  it('L2 enters the roster with the hash of row 1', async () => {
    const tenant = await bornTenant(stand)
    const [row] = (await stand.call('AUDIT_LEDGER', tenant.id, 'rowsFrom', 1, 1)) as { hash: Uint8Array }[]
    const { entries } = (await stand.call('TENANT_ROSTER', 'roster', 'list', null)) as {
      entries: { tenantId: string; firstHash: Uint8Array }[]
    }
    expect(entries.find(({ tenantId }) => tenantId === tenant.id)?.firstHash).toEqual(row?.hash)
  })

  it('is for the owner alone', async () => {
    const [id, owner] = [randomUUID(), newUser()]
    await beginTenant(stand, id, owner)
    const stranger = await stand.edgeCall('tenant-activate', { tenant_id: id }, { user: newUser() })
    expect(stranger).toMatchObject({ status: 403, code: 'not_a_member' })
  })
})

describe('an invitation', () => {
  const HASH = new Uint8Array(32).fill(7)
  const join = (user: User, hash = HASH) =>
    stand.edgeCall('member-join', { token_hash: Buffer.from(hash).toString('base64url') }, { user })

  it('L1 that stands lets who presents it leave its row, and tell how it ended', async () => {
    const tenant = await bornTenant(stand)
    const user = newUser()
    const at = new Date(stand.now())
    await stand.sql`
      insert into flarewatch.invitations (id, tenant_id, email, role, token_hash, invited_by, created_at, expires_at)
      values (${randomUUID()}, ${tenant.id}, 'new@x.test', 'viewer', ${HASH}, ${tenant.owner.id}, ${at},
        ${new Date(at.getTime() + 60_000)})`
    const begun = await join(user)
    expect(begun).toMatchObject({ code: null, body: { tenant_id: tenant.id } })
    const { tenant_id, intent_row } = begun.body as { tenant_id: string; intent_row: string }
    const outcome = { tenant_id, intent_row, succeeded: false, code: 'invitation_invalid' }
    expect((await stand.edgeCall('settle', outcome, { user: newUser() })).code).toBe('request_invalid')
    expect((await stand.edgeCall('settle', outcome, { user })).code).toBeNull()
    expect(await stand.call('AUDIT_LEDGER', tenant.id, 'head')).toMatchObject({ seq: 3 })
    await stand.sql`update flarewatch.invitations set accepted_at = ${at}, accepted_by = ${user.id} where token_hash = ${HASH}`
    expect(await join(user)).toMatchObject({ status: 403, code: 'invitation_invalid' })
    expect(await join(user, new Uint8Array(32))).toMatchObject({ status: 403, code: 'invitation_invalid' })
  })
})

describe('a recovery code', () => {
  const HASH = new Uint8Array(32).fill(9)
  const code_hash = Buffer.from(HASH).toString('base64url')

  it('A1, L1 lets its person in without a second factor, for that row and its ending alone', async () => {
    const tenant = await bornTenant(stand)
    const user = tenant.owner
    const atAal1 = { user, claims: { aal: 'aal1' } }
    const redeem = { act: 'redeem', code_hash }
    expect(await stand.edgeCall('recovery-begin', redeem, atAal1)).toMatchObject({ code: 'recovery_code_invalid' })
    await stand.sql`
      insert into flarewatch.recovery_codes (user_id, code_hash, created_at)
      values (${user.id}, ${HASH}, ${new Date(stand.now())})`
    expect(await stand.edgeCall('recovery-begin', redeem, { ...atAal1, user: newUser() })).toMatchObject({
      code: 'recovery_code_invalid',
    })
    const { body, code } = await stand.edgeCall('recovery-begin', redeem, atAal1)
    expect(code).toBeNull()
    const [intent] = (body as unknown as { intents: { tenant_id: string; intent_row: string }[] }).intents
    expect(intent?.tenant_id).toBe(tenant.id)
    const ended = { succeeded: true, code: 'factor_removed' }
    const birth = { tenant_id: tenant.id, intent_row: tenant.birthRow, ...ended }
    expect(await stand.edgeCall('settle', birth, atAal1)).toMatchObject({ code: 'aal2_required' })
    expect((await stand.edgeCall('settle', { ...intent, ...ended }, atAal1)).code).toBeNull()
    expect(await stand.edgeCall('recovery-begin', { act: 'codes' }, atAal1)).toMatchObject({ code: 'aal2_required' })
    expect(await stand.edgeCall('tenant-prepare', { tenant_id: tenant.id }, atAal1)).toMatchObject({
      code: 'aal2_required',
    })
  })
})

describe('the reset of who lost both factors', () => {
  const atAal1 = (user: User) => ({ user, claims: { aal: 'aal1' } })
  const begin = (act: string, user: User) => stand.edgeCall('recovery-begin', { act }, atAal1(user))
  const rowsOf = async (tenant: StandTenant) =>
    (await stand.call('AUDIT_LEDGER', tenant.id, 'head')) as unknown as { seq: number }

  async function openReset(tenant: StandTenant, person: User, dueIn: number): Promise<void> {
    const at = stand.now()
    await stand.sql`insert into flarewatch.members (tenant_id, user_id, role) values (${tenant.id}, ${person.id}, 'viewer')`
    await stand.sql`
      insert into flarewatch.member_resets (user_id, tenant_id, requested_by, requested_at, due_at, expires_at)
      values (${person.id}, ${tenant.id}, ${tenant.owner.id}, ${new Date(at - SECOND)}, ${new Date(at + dueIn)},
        ${new Date(at + 2 * dueIn)})`
  }

  it('A1, L1 is cancelled with a password, finished with one when it is due, and leaves no row before', async () => {
    const [tenant, person] = [await bornTenant(stand), newUser()]
    const { seq } = await rowsOf(tenant)
    await openReset(tenant, person, 60 * SECOND)
    expect(await begin('cancel', newUser())).toMatchObject({ status: 404, code: 'member_reset_unknown' })
    expect(await begin('finish', tenant.owner)).toMatchObject({ status: 404, code: 'member_reset_unknown' })
    expect(await begin('finish', person)).toMatchObject({ status: 409, code: 'member_reset_not_due' })
    expect(await rowsOf(tenant)).toMatchObject({ seq })
    expect((await begin('cancel', person)).code).toBeNull()
    await stand.sql`update flarewatch.member_resets set due_at = ${new Date(stand.now())} where user_id = ${person.id}`
    const finishing = await begin('finish', person)
    const [intent] = (finishing.body as unknown as { intents: object[] }).intents
    const ended = { ...intent, succeeded: true, code: 'factor_removed' }
    expect((await stand.edgeCall('settle', ended, atAal1(person))).code).toBeNull()
    await stand.sql`update flarewatch.member_resets set due_at = requested_at + interval '1 ms', expires_at = ${new Date(stand.now())}`
    expect(await begin('finish', person)).toMatchObject({ code: 'member_reset_unknown' })
    expect(await rowsOf(tenant)).toMatchObject({ seq: seq + 3 })
  })

  it('A4 is asked for under a token for this very person, which goes with the try', async () => {
    const [tenant, person, other] = [await bornTenant(stand), newUser(), newUser()]
    const asked = { tenant_id: tenant.id, action: 'member.reset', target_id: other.id, request_digest: DIGEST }
    const minted = await stand.edgeCall('step-up-mint', asked, { user: tenant.owner })
    const { token: stepUp } = minted.body as { token: string }
    const act = (target_id: string) =>
      stand.edgeCall('act-begin', { ...asked, target_id }, { user: tenant.owner, stepUp })
    expect(await act(person.id)).toMatchObject({ status: 403, code: 'step_up_invalid' })
    expect(await act(other.id)).toMatchObject({ status: 403, code: 'step_up_invalid' })
  })
})

describe('what an owner takes back', () => {
  it.each(['invitation.withdraw', 'member_reset.cancel'])(
    'A3, T4, L1: %s needs freshness and their role',
    async (action) => {
      const [tenant, operator] = [await bornTenant(stand), newUser()]
      await stand.sql`insert into flarewatch.members (tenant_id, user_id, role) values (${tenant.id}, ${operator.id}, 'operator')`
      const withdraw = (user: User, claims?: JWTPayload) =>
        stand.edgeCall(
          'withdraw-begin',
          { tenant_id: tenant.id, action, target_id: randomUUID() },
          { user, ...(claims && { claims }) },
        )
      expect(await withdraw(operator)).toMatchObject({ status: 403, code: 'role_insufficient' })
      expect(await withdraw(newUser())).toMatchObject({ status: 403, code: 'not_a_member' })
      expect(await withdraw(tenant.owner, { aal: 'aal1' })).toMatchObject({ status: 403, code: 'aal2_required' })
      const stale = { amr: [{ method: 'totp', timestamp: seconds() - 301 }] }
      expect(await withdraw(tenant.owner, stale)).toMatchObject({ status: 403, code: 'aal2_stale' })
      const begun = await withdraw(tenant.owner)
      const ended = { tenant_id: tenant.id, ...begun.body, succeeded: true, code: 'withdrawn' }
      expect((await stand.edgeCall('settle', ended, { user: tenant.owner })).code).toBeNull()
    },
  )
})

describe('an outcome', () => {
  it('L1 is told by the user whose intent it was, once', async () => {
    const tenant = await bornTenant(stand)
    const operator = newUser()
    await stand.sql`insert into flarewatch.members (tenant_id, user_id, role) values (${tenant.id}, ${operator.id}, 'operator')`
    const body = { tenant_id: tenant.id, intent_row: tenant.birthRow, succeeded: true, code: 'created' }
    expect((await stand.edgeCall('settle', body, { user: operator })).code).toBe('request_invalid')
    expect((await stand.edgeCall('settle', body, { user: tenant.owner })).code).toBeNull()
    expect((await stand.edgeCall('settle', { ...body, succeeded: false }, { user: tenant.owner })).code).toBeNull()
    expect(await stand.call('AUDIT_LEDGER', tenant.id, 'head')).toMatchObject({ seq: 2 })
  })
})

describe('requests', () => {
  it.each([
    ['an unknown field', { tenant_id: randomUUID(), extra: 1 }, 422, 'request_invalid'],
    ['an id that is none', { tenant_id: 'x' }, 422, 'request_invalid'],
    ['more than 12 KiB', { tenant_id: 'x'.repeat(13_000) }, 413, 'request_too_large'],
  ])('with %s are refused', async (_, body, status, code) => {
    expect(await stand.edgeCall('tenant-prepare', body, { user: newUser() })).toMatchObject({ status, code })
  })

  it('of an unknown operation or method are refused, in the one shape of errors', async () => {
    const response = await fetch(`${stand.vaultUrl()}/edge/v1/open-everything`, { method: 'POST' })
    expect(response.status).toBe(404)
    expect(await response.json()).toEqual({
      error: { code: 'operation_unknown', message: expect.any(String), request_id: expect.any(String) },
    })
    expect((await fetch(`${stand.vaultUrl()}/edge/v1/settle`)).status).toBe(404)
    expect((await fetch(`${stand.vaultUrl()}/`)).status).toBe(404)
  })
})

function mint(tenant: StandTenant, user: User, claims: object = {}) {
  const body = { tenant_id: tenant.id, action: 'credential.store', target_id: randomUUID(), request_digest: DIGEST }
  return stand.edgeCall('step-up-mint', body, { user, claims: { ...claims } })
}
