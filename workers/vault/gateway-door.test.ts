import { randomBytes, randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { GatewayDoorRefusal, UnsealedAudit } from '../../domain/contracts/gateway-door.ts'
import { wrapKey } from '../../domain/envelope/wrap.ts'
import { openAuthSession } from '../../local/postgres/auth-users.ts'
import { bornTenant, flushedRows, leaseJob, type StandTenant, storeCredential } from '../../local/stands/tenants.ts'
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

  it('L1 is found by who, what and on what, by tags alone, and newest first where asked', async () => {
    const tenant = await bornTenant(stand)
    const stored = await storeCredential(stand, tenant, 'cf-token-0001')
    await flushedRows(stand, tenant.id, 3)
    const actor = `user:${tenant.owner.id}`
    const found = async (query: object) => {
      const page = await read(tenant, tenant.owner, query)
      if (!page.ok) throw new Error(page.code)
      return page
    }
    const actions = async (query: object) => (await found(query)).rows.map(({ seq, action }) => [seq, action])
    expect(await actions({ action: 'step_up.mint', beforeSeq: 4 })).toEqual([[2, 'step_up.mint']])
    expect(await actions({ actor, target: `credential:${stored.id}`, action: 'credential.store' })).toEqual([
      [3, 'credential.store'],
    ])
    expect(await actions({ actor, action: 'credential.open' })).toEqual([])
    expect(await actions({ actor: 'step_up.mint' })).toEqual([])
    expect(await actions({ order: 'newest', beforeSeq: 4, limit: 2 })).toEqual([
      [3, 'credential.store'],
      [2, 'step_up.mint'],
    ])
    const newest = await found({ order: 'newest', beforeSeq: 4, limit: 2 })
    expect([newest.nextBeforeSeq, newest.nextAfterSeq]).toEqual([2, null])
    expect((await found({ order: 'newest', beforeSeq: 2 })).nextBeforeSeq).toBeNull()
  })

  it('L1 is found by the tags of every version of the audit key', async () => {
    const tenant = await bornTenant(stand)
    await flushedRows(stand, tenant.id, 1)
    await addAuditKeyVersion(tenant.id)
    await stand.restart()
    const first = await read(tenant, tenant.owner)
    if (!first.ok) throw new Error(first.code)
    await flushedRows(stand, tenant.id, 2)
    const versions =
      await stand.sql`select key_version from flarewatch.audit_log where tenant_id = ${tenant.id} order by seq`
    expect(versions.map(({ key_version }) => key_version)).toEqual([1, 2])
    const both = await read(tenant, tenant.owner, { actor: `user:${tenant.owner.id}`, beforeSeq: 3 })
    if (!both.ok) throw new Error(both.code)
    expect(both.rows.map(({ action }) => action)).toEqual(['tenant.create', 'audit.read'])
  })

  it('L1 shows an act without an outcome row as open, after ten minutes as unknown, and with one as it ended', async () => {
    const tenant = await bornTenant(stand)
    const credential = await storeCredential(stand, tenant, 'cf-token-0001')
    const [silent, heard] = [await openOnce(tenant, credential.id), await openOnce(tenant, credential.id)]
    await stand.call('CONNECTOR_DOOR', null, 'settle', heard.job, { succeeded: false, code: 'provider_timeout' })
    await flushedRows(stand, tenant.id, 6)
    // Only the acts themselves: the outcome row is not on the page, and is found all the same.
    const outcomes = async () => {
      const page = await read(tenant, tenant.owner, { action: 'credential.open' })
      if (!page.ok) throw new Error(page.code)
      return page.rows.map(({ row_id, outcome }) => [row_id, outcome])
    }
    const failed = { state: 'failed', seq: 6, at: expect.any(String), code: 'provider_timeout' }
    expect(await outcomes()).toEqual([
      [silent.row, { state: 'open' }],
      [heard.row, failed],
    ])
    stand.advance(10 * 60_000 + 1_000)
    expect(await outcomes()).toEqual([
      [silent.row, { state: 'unknown' }],
      [heard.row, failed],
    ])
    const all = await read(tenant, tenant.owner, { limit: 2 })
    expect(all).toMatchObject({ rows: [{ outcome: { state: 'unknown' } }, { action: 'step_up.mint', outcome: null }] })
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

  it('T1 is for no session that was ended or has expired', async () => {
    const tenant = await bornTenant(stand)
    const session_id = randomUUID()
    expect(await read(tenant, tenant.owner, {}, { session_id })).toEqual({ ok: false, code: 'session_ended' })
    await openAuthSession(stand.sql, { id: session_id, userId: tenant.owner.id, at: new Date(stand.now() - 3_600_000) })
    expect(await read(tenant, tenant.owner, {}, { session_id })).toEqual({ ok: false, code: 'session_expired' })
    const edge = { user: tenant.owner, claims: { session_id } }
    const body = { tenant_id: tenant.id }
    expect(await stand.edgeCall('tenant-activate', body, edge)).toMatchObject({ status: 401, code: 'session_expired' })
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
  const anything = { beforeSeq: null, order: 'oldest', actor: null, action: null, target: null }
  const asked = { tenantId: tenant.id, afterSeq: 0, limit: 50, ...anything, ...query }
  return stand.call('GATEWAY_DOOR', null, 'unsealAudit', jwt, asked) as Promise<UnsealedAudit | GatewayDoorRefusal>
}

/** A second audit key, wrapped under the share that the ledger holds, as a rotation would leave it. */
/** A release of which no outcome is told. */
async function openOnce(tenant: StandTenant, credentialId: string): Promise<{ job: string; row: string }> {
  const job = await leaseJob(stand, tenant.id, credentialId)
  const opened = (await stand.call('CONNECTOR_DOOR', null, 'open', job)) as { intentRow: string }
  await stand.sql`update flarewatch.jobs set state = 'done', finished_at = now() where id = ${job}`
  return { job, row: opened.intentRow }
}

async function addAuditKeyVersion(tenantId: string): Promise<void> {
  const given = (await stand.call('AUDIT_LEDGER', tenantId, 'auditShare', tenantId)) as { share: Uint8Array }
  const wrapped = await wrapKey({
    kek: { version: 1, bytes: stand.kek },
    share: given.share,
    context: { purpose: 'audit-key', tenantId, keyVersion: 2 },
    key: randomBytes(32),
  })
  await stand.sql`insert into flarewatch.audit_keys (tenant_id, version, kek_version, wrapped_key)
    values (${tenantId}, 2, 1, ${wrapped})`
}

describe('sessions', () => {
  const end = async (user: User, ending: object, claims = {}) =>
    stand.call('GATEWAY_DOOR', null, 'endSessions', await stand.userJwt(user, claims), ending)
  const begin = async (userId: string) => {
    const id = randomUUID()
    await openAuthSession(stand.sql, { id, userId, at: new Date(stand.now()) })
    return id
  }
  const left = async (userId: string) =>
    (await stand.sql`select id from auth.sessions where user_id = ${userId}`).map(({ id }) => String(id))

  it('L1 are ended by their own person, and each agency of theirs is told before', async () => {
    const [first, second] = [await bornTenant(stand), await bornTenant(stand)]
    const { owner } = first
    await stand.sql`insert into flarewatch.members values (${second.id}, ${owner.id}, 'viewer')`
    const [one, two, foreign] = [await begin(owner.id), await begin(owner.id), await begin(second.owner.id)]
    expect(await end(owner, { which: 'one', sessionId: one })).toEqual({ ok: true, ended: 1 })
    expect((await left(owner.id)).sort()).toEqual([owner.session, two].sort())
    expect(await end(owner, { which: 'others' })).toEqual({ ok: true, ended: 1 })
    expect(await left(owner.id)).toEqual([owner.session])
    expect(await end(owner, { which: 'all' })).toEqual({ ok: true, ended: 1 })
    expect(await left(owner.id)).toEqual([])
    expect(await left(second.owner.id)).toContain(foreign)
    for (const tenant of [first, second]) {
      const page = await read(tenant, owner, { action: 'session.end' })
      if (!page.ok) throw new Error(page.code)
      expect(page.rows.map(({ actor, detail }) => ({ actor, detail }))).toEqual([
        { actor: `user:${owner.id}`, detail: { which: 'one', session: one } },
        { actor: `user:${owner.id}`, detail: { which: 'others' } },
        { actor: `user:${owner.id}`, detail: { which: 'all' } },
      ])
    }
  })

  it('A2 are not ended at AAL1, not by a stranger, and not without a row that says so', async () => {
    const tenant = await bornTenant(stand)
    const { owner } = tenant
    const [one, foreign] = [await begin(owner.id), await begin(newUser().id)]
    expect(await end(owner, { which: 'all' }, { aal: 'aal1' })).toEqual({ ok: false, code: 'aal2_required' })
    const unknown = { ok: false, code: 'session_unknown' }
    expect(await end(owner, { which: 'one', sessionId: foreign })).toEqual(unknown)
    expect(await end(newUser(), { which: 'one', sessionId: one })).toEqual(unknown)
    await stand.restart({ ledger: 'unreachable' })
    expect(await end(owner, { which: 'one', sessionId: one })).toEqual({ ok: false, code: 'ledger_unreachable' })
    await stand.restart()
    expect(await left(owner.id)).toContain(one)
  })
})
