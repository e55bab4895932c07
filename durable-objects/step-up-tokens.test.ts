import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startVaultStand, type VaultStand } from '../local/stands/vault-stand.ts'

let stand: VaultStand
beforeAll(async () => {
  stand = await startVaultStand()
})
afterAll(() => stand?.stop())

const ROUNDS = process.env.FLAREWATCH_SCALE === 'full' ? 100 : 3
const AT = Date.UTC(2026, 10, 24, 12)
const SECOND = 1000
const REFUSED = { ok: false, code: 'step_up_invalid' }

describe('step-up tokens', () => {
  const binding = () => ({
    sessionId: randomUUID(),
    tenantId: randomUUID(),
    action: 'credential.store',
    targetId: randomUUID(),
    requestDigest: 'd'.repeat(43),
  })
  const mint = async (user: string, bound: object, at = AT) =>
    (await stand.call('STEP_UP_TOKENS', user, 'mint', { ...bound, at })) as { token: string; expiresAt: number }
  const consume = (user: string, use: object) => stand.call('STEP_UP_TOKENS', user, 'consume', { at: AT, ...use })

  it(`A4 of 200 concurrent uses exactly one wins, in each of ${ROUNDS} rounds`, async () => {
    for (let round = 0; round < ROUNDS; round += 1) {
      const [user, bound] = [randomUUID(), binding()]
      const { token } = await mint(user, bound)
      const uses = await Promise.all(Array.from({ length: 200 }, () => consume(user, { ...bound, token })))
      expect(uses.filter((use) => JSON.stringify(use) === '{"ok":true}')).toHaveLength(1)
      expect(uses.filter((use) => JSON.stringify(use) === JSON.stringify(REFUSED))).toHaveLength(199)
    }
  })

  it.each([
    ['sessionId', randomUUID()],
    ['tenantId', randomUUID()],
    ['targetId', randomUUID()],
    ['action', 'credential.reveal'],
    ['requestDigest', 'e'.repeat(43)],
  ])('A4 dies of a use for another %s', async (field, other) => {
    const [user, bound] = [randomUUID(), binding()]
    const { token } = await mint(user, bound)
    expect(await consume(user, { ...bound, token, [field]: other })).toEqual(REFUSED)
    expect(await consume(user, { ...bound, token })).toEqual(REFUSED)
  })

  it("A4 is worth nothing in another user's hands", async () => {
    const [user, bound] = [randomUUID(), binding()]
    const { token } = await mint(user, bound)
    expect(await consume(randomUUID(), { ...bound, token })).toEqual(REFUSED)
    expect(await consume(user, { ...bound, token })).toEqual({ ok: true })
  })

  it('A4 dies at 5 minutes', async () => {
    const [user, bound] = [randomUUID(), binding()]
    const { token, expiresAt } = await mint(user, bound)
    const { token: sibling } = await mint(user, bound)
    expect(expiresAt).toBe(AT + 300 * SECOND)
    expect(await consume(user, { ...bound, token, at: expiresAt })).toEqual(REFUSED)
    expect(await consume(user, { ...bound, token: sibling, at: expiresAt - 1 })).toEqual({ ok: true })
  })

  it('A4 at most twenty are alive; the oldest gives way', async () => {
    const [user, bound] = [randomUUID(), binding()]
    const minted = []
    for (let count = 0; count < 21; count += 1) minted.push(await mint(user, bound, AT + count))
    expect(await consume(user, { ...bound, token: minted[0]?.token })).toEqual(REFUSED)
    expect(await consume(user, { ...bound, token: minted[1]?.token })).toEqual({ ok: true })
  })
})

describe('freshness', () => {
  const claim = (user: string, sessionId: string, { totpAt, at }: { totpAt: number; at: number }) =>
    stand.call('STEP_UP_TOKENS', user, 'claimFreshness', { sessionId, totpAt, at })
  const CLAIMED = { ok: false, code: 'freshness_claimed' }

  it('A3 belongs to one session in any 90 s, which may claim it again', async () => {
    const [user, first, second] = [randomUUID(), randomUUID(), randomUUID()]
    expect(await claim(user, first, { totpAt: AT, at: AT })).toEqual({ ok: true })
    expect(await claim(user, first, { totpAt: AT, at: AT + 60 * SECOND })).toEqual({ ok: true })
    expect(await claim(user, second, { totpAt: AT + 100 * SECOND, at: AT + 140 * SECOND })).toEqual(CLAIMED)
    expect(await claim(user, second, { totpAt: AT + 100 * SECOND, at: AT + 151 * SECOND })).toEqual({ ok: true })
  })

  it('A3 a replayed code gains none, however long its session waits', async () => {
    const [user, owner, thief] = [randomUUID(), randomUUID(), randomUUID()]
    await claim(user, owner, { totpAt: AT, at: AT })
    await claim(user, owner, { totpAt: AT + 200 * SECOND, at: AT + 200 * SECOND })
    expect(await claim(user, thief, { totpAt: AT + 20 * SECOND, at: AT + 310 * SECOND })).toEqual(CLAIMED)
  })

  it('A3 is judged for each user alone', async () => {
    await claim(randomUUID(), randomUUID(), { totpAt: AT, at: AT })
    expect(await claim(randomUUID(), randomUUID(), { totpAt: AT, at: AT })).toEqual({ ok: true })
  })
})

describe('service jtis', () => {
  const claim = (jti: string, exp: number, at: number) =>
    stand.call('STEP_UP_TOKENS', 'service-jti', 'claimJti', { jti, exp, at })

  it('T6 are accepted once, also when they come together', async () => {
    const jti = randomUUID()
    const claims = await Promise.all(Array.from({ length: 10 }, () => claim(jti, AT + 30 * SECOND, AT)))
    expect(claims.filter((answer) => JSON.stringify(answer) === '{"ok":true}')).toHaveLength(1)
  })

  it('T6 are refused once their time is over, so that forgetting them lets none in', async () => {
    const jti = randomUUID()
    await claim(jti, AT + 30 * SECOND, AT)
    expect(await claim(jti, AT + 30 * SECOND, AT + 200 * SECOND)).toEqual({ ok: false, code: 'expired' })
  })
})
