import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { randomBytes } from '../domain/bytes.ts'
import { type OperatorKey, operatorKeyOf, vouchFor } from '../domain/operator-key/key.ts'
import { hpkeHalf, operatorKeyId } from '../domain/operator-key/public-key.ts'
import { pickupIdOf } from '../domain/operator-key/reveal.ts'
import { startVaultStand, type VaultStand } from '../local/stands/vault-stand.ts'
import { Random } from './simulation/random.ts'

let stand: VaultStand
beforeAll(async () => {
  stand = await startVaultStand()
})
afterAll(() => stand?.stop())

const AT = Date.UTC(2026, 10, 27, 12)
const HOUR = 60 * 60_000
const MINUTE = 60_000

/** One tenant's object, and members who make keys. */
function tenant() {
  const tenantId = randomUUID()
  const ask = (method: string, request: unknown) => stand.call('OPERATOR_KEYS', tenantId, method, request)
  return {
    tenantId,
    enrol: async (
      userId: string,
      key: OperatorKey,
      { voucher, at = AT }: { voucher?: OperatorKey; at?: number } = {},
    ) => {
      const vouch = voucher === undefined ? null : await vouchOf(voucher, tenantId, userId, key)
      return ask('enrol', { tenantId, userId, publicKey: key.publicKey, vouch, at })
    },
    announce: (key: OperatorKey, at = AT) => ask('announce', { keyId: idOf(key), at }),
    remove: (key: OperatorKey, at = AT) => ask('remove', { keyId: idOf(key), at }),
    list: (at = AT) => ask('list', at) as Promise<{ keyId: string; state: string; activeAt: number | null }[]>,
    expect: (userId: string, key: OperatorKey, place: Place, at = AT) =>
      ask('expect', { userId, keyId: idOf(key), pickupId: pickupIdOf(place.secret), intentRow: place.row, at }),
    deliver: (userId: string, place: Place, at = AT) =>
      ask('deliver', { userId, intentRow: place.row, dekVersion: 1, sealed: SEALED, at }),
    collect: (userId: string, secret: Uint8Array, at = AT) => ask('collect', { userId, pickupSecret: secret, at }),
  }
}
type Place = { readonly secret: Uint8Array; readonly row: string }
const SEALED = new Uint8Array(80).fill(5)
const newPlace = (): Place => ({ secret: randomBytes(32), row: randomUUID() })
const newKey = () => operatorKeyOf(randomBytes(32))
const idOf = ({ publicKey }: OperatorKey) => operatorKeyId(publicKey)

async function vouchOf(voucher: OperatorKey, tenantId: string, userId: string, key: OperatorKey) {
  const signature = await vouchFor(voucher.signingSeed, { tenantId, userId, newKey: key.publicKey })
  return { keyId: idOf(voucher), signature }
}

async function withFirstKey() {
  const [keys, user, key] = [tenant(), randomUUID(), await newKey()]
  await keys.enrol(user, key)
  await keys.announce(key)
  return { keys, user, key }
}

describe('an operator key', () => {
  it("V7: is active at once when it is its member's first, as soon as the owners' mails are written", async () => {
    const [keys, user, key] = [tenant(), randomUUID(), await newKey()]
    expect(await keys.enrol(user, key)).toMatchObject({ state: 'unannounced', activeAt: null })
    expect(await keys.expect(user, key, newPlace())).toEqual({ ok: false, code: 'operator_key_waiting' })
    expect(await keys.announce(key)).toMatchObject({ state: 'active', activeAt: AT })
    expect(await keys.enrol(user, key)).toMatchObject({ state: 'active' })
  })

  it('V7: waits 24 hours when it is a further one, from the first telling on', async () => {
    const { keys, user } = await withFirstKey()
    const further = await newKey()
    expect(await keys.enrol(user, further)).toMatchObject({ state: 'unannounced' })
    expect(await keys.announce(further)).toMatchObject({ state: 'waiting', activeAt: AT + 24 * HOUR })
    expect(await keys.announce(further, AT + HOUR)).toMatchObject({ activeAt: AT + 24 * HOUR })
    const refused = { ok: false, code: 'operator_key_waiting' }
    expect(await keys.expect(user, further, newPlace(), AT + 24 * HOUR - 1)).toEqual(refused)
    expect(await keys.expect(user, further, newPlace(), AT + 24 * HOUR)).toMatchObject({ ok: true })
  })

  it('V7: is active at once by the signature of an active one of the same member', async () => {
    const { keys, user, key: voucher } = await withFirstKey()
    expect(await keys.enrol(user, await newKey(), { voucher })).toMatchObject({ state: 'active', activeAt: AT })
  })

  it("V7: is vouched for by no key that is unknown, waiting, removed or another member's", async () => {
    const { keys, user, key } = await withFirstKey()
    const { user: stranger, key: strangers } = await withFirstKey()
    const waiting = await newKey()
    await keys.enrol(user, waiting)
    await keys.announce(waiting)
    const other = await newKey()
    await keys.enrol(stranger, other)
    await keys.announce(other)
    const invalid = { ok: false, code: 'vouch_invalid' }
    for (const voucher of [await newKey(), strangers, waiting, other]) {
      expect(await keys.enrol(user, await newKey(), { voucher })).toEqual(invalid)
    }
    await keys.remove(key)
    expect(await keys.enrol(user, await newKey(), { voucher: key })).toEqual(invalid)
  })

  it('V7: never comes back once removed, and the next is no first one', async () => {
    const { keys, user, key } = await withFirstKey()
    await keys.remove(key)
    expect(await keys.enrol(user, key)).toEqual({ ok: false, code: 'operator_key_removed' })
    expect(await keys.announce(key)).toEqual({ ok: false, code: 'operator_key_removed' })
    const next = await newKey()
    await keys.enrol(user, next)
    expect(await keys.announce(next)).toMatchObject({ state: 'waiting' })
  })

  it('is cancelled while it waits', async () => {
    const { keys, user } = await withFirstKey()
    const waiting = await newKey()
    await keys.enrol(user, waiting)
    await keys.announce(waiting)
    expect(await keys.remove(waiting)).toEqual({ ok: true })
    const late = await keys.expect(user, waiting, newPlace(), AT + 25 * HOUR)
    expect(late).toEqual({ ok: false, code: 'operator_key_unknown' })
    expect((await keys.list()).map(({ keyId }) => keyId)).not.toContain(idOf(waiting))
  })

  it("of one member is no key of another's, nor of another tenant", async () => {
    const { keys, user, key } = await withFirstKey()
    expect(await keys.enrol(randomUUID(), key)).toEqual({ ok: false, code: 'operator_key_taken' })
    const unknown = { ok: false, code: 'operator_key_unknown' }
    expect(await keys.expect(randomUUID(), key, newPlace())).toEqual(unknown)
    expect(await tenant().expect(user, key, newPlace())).toEqual(unknown)
  })

  it('V7: is active for no other reason, whatever is asked in whatever order (seeded)', async () => {
    const random = new Random(20261127)
    const [keys, user, first] = [tenant(), randomUUID(), await operatorKeyOf(random.bytes(32))]
    await keys.enrol(user, first)
    const made = [first]
    /** From when on each may be active, by the rule and not by what the object says. */
    const since = new Map<string, number>()
    const removed = new Set<string>()
    const isActive = (key: OperatorKey, at: number) =>
      !removed.has(idOf(key)) && (since.get(idOf(key)) ?? Number.POSITIVE_INFINITY) <= at
    let at = AT
    for (let step = 0; step < 150; step += 1) {
      at += random.between(0, 3) * 4 * HOUR
      const one = random.pick(made)
      const act = random.pick(['enrol', 'vouch', 'announce', 'announce', 'remove'])
      if (act === 'enrol' || act === 'vouch') {
        const key = await operatorKeyOf(random.bytes(32))
        const answer = await keys.enrol(user, key, { at, ...(act === 'vouch' ? { voucher: one } : {}) })
        expect(answer).toMatchObject({ ok: act === 'enrol' || isActive(one, at) })
        if (act === 'vouch' && isActive(one, at)) since.set(idOf(key), at)
        if (act === 'enrol' || isActive(one, at)) made.push(key)
      } else if (act === 'announce') {
        await keys.announce(one, at)
        if (!removed.has(idOf(one)) && !since.has(idOf(one))) since.set(idOf(one), one === first ? at : at + 24 * HOUR)
      } else if (removed.size < made.length / 2) {
        await keys.remove(one, at)
        removed.add(idOf(one))
      }
      const active = (await keys.list(at)).filter(({ state }) => state === 'active').map(({ keyId }) => keyId)
      expect(active.sort()).toEqual(
        made
          .filter((key) => isActive(key, at))
          .map(idOf)
          .sort(),
      )
    }
    expect(removed.size).toBeGreaterThan(3)
  })
})

describe('a sealed answer', () => {
  it('V7: is given out once, to whoever asks first with the secret', async () => {
    const { keys, user, key } = await withFirstKey()
    const place = newPlace()
    expect(await keys.expect(user, key, place)).toEqual({ ok: true, publicKey: hpkeHalf(key.publicKey) })
    expect(await keys.collect(user, place.secret)).toBeNull()
    expect(await keys.deliver(user, place)).toEqual({ ok: true })
    const picked = await Promise.all(Array.from({ length: 10 }, () => keys.collect(user, place.secret)))
    expect(picked.filter((answer) => answer !== null)).toEqual([{ dekVersion: 1, sealed: SEALED }])
  })

  it('V7: is not given to another member, nor for the name of its place', async () => {
    const { keys, user, key } = await withFirstKey()
    const place = newPlace()
    await keys.expect(user, key, place)
    await keys.deliver(user, place)
    expect(await keys.collect(randomUUID(), place.secret)).toBeNull()
    expect(await keys.collect(user, pickupIdOf(place.secret))).toBeNull()
    expect(await keys.collect(user, place.secret)).not.toBeNull()
  })

  it('V7: has one place, filled once, by the member whose reveal it is', async () => {
    const { keys, user, key } = await withFirstKey()
    const place = newPlace()
    await keys.expect(user, key, place)
    const taken = { ok: false, code: 'pickup_taken' }
    expect(await keys.expect(user, key, { ...place, row: randomUUID() })).toEqual(taken)
    expect(await keys.expect(user, key, { ...newPlace(), row: place.row })).toEqual(taken)
    const unknown = { ok: false, code: 'reveal_unknown' }
    expect(await keys.deliver(randomUUID(), place)).toEqual(unknown)
    expect(await keys.deliver(user, newPlace())).toEqual(unknown)
    expect(await keys.deliver(user, place)).toEqual({ ok: true })
    expect(await keys.deliver(user, place)).toEqual(unknown)
  })

  it('V7: is gone after 5 minutes, and with its key', async () => {
    const { keys, user, key } = await withFirstKey()
    const [late, orphan] = [newPlace(), newPlace()]
    for (const place of [late, orphan]) {
      await keys.expect(user, key, place)
      await keys.deliver(user, place)
    }
    expect(await keys.collect(user, late.secret, AT + 5 * MINUTE)).toBeNull()
    await keys.remove(key)
    expect(await keys.collect(user, orphan.secret)).toBeNull()
  })
})
