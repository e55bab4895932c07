import { randomBytes, randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { bornTenant } from '../local/stands/tenants.ts'
import { startVaultStand, type VaultStand } from '../local/stands/vault-stand.ts'

let stand: VaultStand
beforeAll(async () => {
  stand = await startVaultStand()
})
afterAll(() => stand?.stop())

const AT = Date.UTC(2026, 10, 24, 12)

describe('TenantRoster', () => {
  it('L2 a tenant enters once, with one first hash', async () => {
    const [tenant, hash] = [randomUUID(), new Uint8Array(randomBytes(32))]
    const enter = (firstHash: Uint8Array) => stand.call('TENANT_ROSTER', 'roster', 'enter', tenant, firstHash, AT)
    expect(await enter(hash)).toEqual({ ok: true })
    expect(await enter(hash)).toEqual({ ok: true })
    expect(await enter(randomBytes(32))).toEqual({ ok: false, code: 'roster_conflict' })
    expect(await stand.call('TENANT_ROSTER', 'roster', 'list', null)).toEqual({
      entries: [{ tenantId: tenant, firstHash: hash, at: AT, deletedAt: null }],
      next: null,
    })
  })

  it('L2 a deleted tenant stays, with the time of its first mark; one that never entered has none', async () => {
    const [tenant, hash] = [randomUUID(), new Uint8Array(randomBytes(32))]
    const mark = (at: number) => stand.call('TENANT_ROSTER', 'deleted', 'markDeleted', tenant, at)
    expect(await mark(AT)).toEqual({ ok: false })
    await stand.call('TENANT_ROSTER', 'deleted', 'enter', tenant, hash, AT)
    for (const at of [AT + 1, AT + 2]) expect(await mark(at)).toEqual({ ok: true })
    await stand.call('TENANT_ROSTER', 'deleted', 'enter', tenant, hash, AT + 3)
    const entry = { tenantId: tenant, firstHash: hash, at: AT, deletedAt: AT + 1 }
    expect(await stand.call('TENANT_ROSTER', 'deleted', 'list', null)).toEqual({ entries: [entry], next: null })
    expect(await stand.call('TENANT_ROSTER', 'deleted', 'entryOf', tenant)).toEqual(entry)
  })

  it('L2 is listed by pages without loss', async () => {
    const tenants = Array.from({ length: 501 }, () => randomUUID())
    await Promise.all(tenants.map((id) => stand.call('TENANT_ROSTER', 'listed', 'enter', id, randomBytes(32), AT)))
    type Page = { entries: { tenantId: string }[]; next: number | null }
    const first = (await stand.call('TENANT_ROSTER', 'listed', 'list', null)) as Page
    const second = (await stand.call('TENANT_ROSTER', 'listed', 'list', first.next)) as Page
    expect(second.next).toBeNull()
    expect([...first.entries, ...second.entries].map(({ tenantId }) => tenantId).sort()).toEqual(tenants.sort())
  })
})

describe('the backup key', () => {
  it('V2 is there only when the operator made one: without it nothing is sealed', async () => {
    const none = { ok: false, code: 'backup_key_missing' }
    expect(await stand.call('TENANT_ROSTER', 'roster', 'backupKey')).toEqual(none)
    expect(await stand.operatorCall('backup-key', {})).toMatchObject({ status: 409, code: 'backup_key_missing' })
    const tenant = await bornTenant(stand)
    const request = { tenant_id: tenant.id, backup_id: randomUUID() }
    expect(await stand.operatorCall('backup-tenant', request)).toMatchObject({ code: 'backup_key_missing' })
    const asked = { rowId: tenant.birthRow, backupId: randomUUID() }
    expect(await stand.call('AUDIT_LEDGER', tenant.id, 'sealShares', asked)).toEqual(none)
    expect(await stand.call('AUDIT_LEDGER', tenant.id, 'head')).toMatchObject({ seq: 1 })
  })
})

describe('LoginAnswers', () => {
  const SEALED = new Uint8Array(80).fill(5)
  const login = () => {
    const pickupId = randomUUID()
    return {
      leave: (sealed: Uint8Array | null, at = AT) =>
        stand.call('LOGIN_ANSWERS', pickupId, 'leave', { sealed, at }) as Promise<unknown>,
      collect: (at = AT) => stand.call('LOGIN_ANSWERS', pickupId, 'collect', at) as Promise<unknown>,
    }
  }
  const pending = { state: 'pending' }

  it('gives an answer out once, under its own name alone', async () => {
    const [waiting, other] = [login(), login()]
    expect(await waiting.leave(SEALED)).toEqual({ ok: true })
    expect(await other.collect()).toEqual(pending)
    expect(await waiting.collect()).toEqual({ state: 'approved', sealed: SEALED })
    expect(await waiting.collect()).toEqual(pending)
  })

  it('says a refusal once, and keeps the first answer while it waits', async () => {
    const { leave, collect } = login()
    expect(await leave(null)).toEqual({ ok: true })
    expect(await leave(SEALED)).toEqual({ ok: false, code: 'login_answered' })
    expect(await collect()).toEqual({ state: 'denied' })
    expect(await collect()).toEqual(pending)
  })

  it('forgets after 5 minutes by the clock that is given', async () => {
    const [late, timely] = [login(), login()]
    for (const { leave } of [late, timely]) await leave(SEALED)
    expect(await timely.collect(AT + 5 * 60_000 - 1)).toMatchObject({ state: 'approved' })
    expect(await late.collect(AT + 5 * 60_000)).toEqual(pending)
    expect(await late.leave(SEALED, AT + 5 * 60_000)).toEqual({ ok: true })
  })

  it('tells who asks twice within a second to slow down, and nobody for a clock that was set back', async () => {
    const { collect } = login()
    expect(await collect(AT)).toEqual(pending)
    expect(await collect(AT + 999)).toEqual({ state: 'slow_down' })
    expect(await collect(AT + 2_000)).toEqual(pending)
    expect(await collect(AT)).toEqual(pending)
  })

  it('takes nothing that is too long or empty', async () => {
    const { leave, collect } = login()
    for (const length of [0, 12 * 1024 + 1]) await expect(leave(new Uint8Array(length))).rejects.toThrow()
    expect(await collect()).toEqual(pending)
  })
})

describe('ProviderLimits', () => {
  const acquire = (credential: string, at: number, cost = 1, reserved = 0) =>
    stand.call('PROVIDER_LIMITS', credential, 'acquire', { provider: 'cloudflare', cost, reserved, at })

  it('gives 300 calls at once, then one a second', async () => {
    const credential = randomUUID()
    expect(await acquire(credential, AT, 300)).toEqual({ ok: true })
    expect(await acquire(credential, AT)).toEqual({ ok: false, waitMs: 1000 })
    expect(await acquire(credential, AT + 1000)).toEqual({ ok: true })
    expect(await acquire(credential, AT + 1000)).toEqual({ ok: false, waitMs: 1000 })
    expect(await acquire(credential, AT + 301_000, 300)).toEqual({ ok: true })
  })

  it('gives nothing of what is reserved to who leaves it to others, and says when there will be more', async () => {
    const credential = randomUUID()
    expect(await acquire(credential, AT, 150, 150)).toEqual({ ok: true })
    expect(await acquire(credential, AT, 1, 150)).toEqual({ ok: false, waitMs: 1000 })
    expect(await acquire(credential, AT, 150)).toEqual({ ok: true })
  })

  it('gives nothing before the time that the provider named', async () => {
    const credential = randomUUID()
    await stand.call('PROVIDER_LIMITS', credential, 'blockUntil', { provider: 'cloudflare', until: AT + 60_000 })
    await stand.call('PROVIDER_LIMITS', credential, 'blockUntil', { provider: 'cloudflare', until: AT + 30_000 })
    expect(await acquire(credential, AT)).toEqual({ ok: false, waitMs: 60_000 })
    expect(await acquire(credential, AT + 60_000)).toEqual({ ok: true })
  })

  it('never gives more than the bucket to concurrent callers', async () => {
    const credential = randomUUID()
    const answers = await Promise.all(Array.from({ length: 40 }, () => acquire(credential, AT, 10)))
    expect(answers.filter((answer) => JSON.stringify(answer) === '{"ok":true}')).toHaveLength(30)
  })
})
