import { beforeAll, describe, expect, test } from 'vitest'
import { randomBytes, toBase64Url } from '../bytes.ts'
import { generateHpkeKeyPair, type HpkeKeyPair } from '../hpke.ts'
import { type DeviceLogin, isLoginCode, loginCodeOf, loginFragment, loginOfFragment, loginPickupIdOf } from './login.ts'
import { openSession, sealSession } from './sealed-session.ts'

const ORIGIN = 'https://watch.example'
const SESSION = { access_token: 'eyJ.access.token', refresh_token: 'refresh-token', expires_at: 1_800_003_600 }
const secret = randomBytes(32)
const pickupId = loginPickupIdOf(secret)
let pair: HpkeKeyPair
let login: DeviceLogin
let context: { origin: string; code: string; pickupId: Uint8Array }

beforeAll(async () => {
  pair = await generateHpkeKeyPair()
  login = { publicKey: pair.publicKey, pickupId, until: 1_800_000_300 }
  context = { origin: ORIGIN, code: loginCodeOf(login, ORIGIN), pickupId }
})

describe('the code of a login', () => {
  test('is a fixed function of what the address brings, so that another implementation can check it', () => {
    const fixed = { publicKey: new Uint8Array(32).fill(1), pickupId: new Uint8Array(32).fill(2), until: 1_800_000_000 }
    expect(loginCodeOf(fixed, ORIGIN)).toBe('W49J-F961')
  })

  test('is another for another key, pickup, end or deployment: a swapped address has not the code of the terminal', () => {
    const others = [
      loginCodeOf({ ...login, publicKey: randomBytes(32) }, ORIGIN),
      loginCodeOf({ ...login, pickupId: randomBytes(32) }, ORIGIN),
      loginCodeOf({ ...login, until: login.until + 1 }, ORIGIN),
      loginCodeOf(login, 'https://watch.example.test'),
    ]
    for (const other of others) expect(isLoginCode(other, context.code)).toBe(false)
  })

  test('is taken as people type it', () => {
    for (const typed of ['0a1b-c2d3', ' OaIB c2d3 ', '0AlBC2D3']) expect(isLoginCode(typed, '0A1B-C2D3')).toBe(true)
    for (const typed of ['', '0A1B', '0A1B-C2D4', '0A1B-C2D3-']) {
      expect(isLoginCode(typed, '0A1B-C2D3')).toBe(typed === '0A1B-C2D3-')
    }
  })
})

describe('the address of a login', () => {
  test('brings all of it, and neither the secret of the pickup nor the private key', () => {
    const fragment = loginFragment(login)
    expect(loginOfFragment(`#${fragment}`)).toEqual(login)
    for (const kept of [secret, pair.privateKey]) expect(fragment).not.toContain(toBase64Url(kept))
  })

  test.each([
    ['nothing', () => ''],
    ['a cut key', () => loginFragment({ ...login, publicKey: new Uint8Array(31) })],
    ['a cut pickup', () => loginFragment({ ...login, pickupId: new Uint8Array(31) })],
    ['no end', () => loginFragment(login).replace(/until=\d+/, 'until=')],
    ['an end that is no time', () => loginFragment(login).replace(/until=\d+/, 'until=1e9')],
  ])('with %s is none', (_, fragment) => expect(loginOfFragment(fragment())).toBeNull())
})

describe('a session on its way to the command line', () => {
  test('T1: opens with the key that the command line made, and holds no token in clear', async () => {
    const sealed = await sealSession({ publicKey: pair.publicKey, context, session: SESSION })
    const opened = await openSession({ privateKey: pair.privateKey, context, sealed })
    expect(opened).toEqual({ ok: true, value: SESSION })
    const held = new TextDecoder('latin1').decode(sealed)
    for (const token of [SESSION.access_token, SESSION.refresh_token]) expect(held.includes(token)).toBe(false)
  })

  test('T1: opens by no other key, code, pickup or deployment', async () => {
    const sealed = await sealSession({ publicKey: pair.publicKey, context, session: SESSION })
    const { privateKey } = pair
    const stranger = await generateHpkeKeyPair()
    for (const wrong of [
      { privateKey: stranger.privateKey, context },
      { privateKey, context: { ...context, code: '0000-0000' } },
      { privateKey, context: { ...context, origin: 'https://other.example' } },
      { privateKey, context: { ...context, pickupId: randomBytes(32) } },
    ]) {
      expect(await openSession({ ...wrong, sealed })).toEqual({ ok: false, code: 'not_openable' })
    }
  })

  test.each([0, 47, 48])('is not opened from %s bytes', async (length) => {
    const opened = await openSession({ privateKey: pair.privateKey, context, sealed: new Uint8Array(length) })
    expect(opened.ok).toBe(false)
  })
})
