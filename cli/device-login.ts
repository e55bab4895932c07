import { setTimeout as sleep } from 'node:timers/promises'
import type { z } from 'zod'
import { fromBase64Url, randomBytes, toBase64Url, zeroize } from '../domain/bytes.ts'
import {
  LOGIN_LIFETIME_MS,
  LOGIN_POLL_MS,
  LOGIN_SLOWER_MS,
  LoginCollect,
  type SealedSession,
} from '../domain/contracts/device-login.ts'
import {
  type DeviceLogin,
  LOGIN_SECRET_BYTES,
  loginCodeOf,
  loginFragment,
  loginPickupIdOf,
} from '../domain/device-login/login.ts'
import { openSession } from '../domain/device-login/sealed-session.ts'
import { generateHpkeKeyPair } from '../domain/hpke.ts'
import { CommandRefused } from './command.ts'
import { fetchJson } from './http.ts'
import { showPage } from './page.ts'

export const DEVICE_PAGE = '/login/device/'

/** A session of its own for this command line, which a person gives it on the dashboard's page. The key lives for this call alone. */
export async function sessionByBrowser(origin: string, { open }: { readonly open: boolean }): Promise<SealedSession> {
  const pair = await generateHpkeKeyPair()
  const pickupSecret = randomBytes(LOGIN_SECRET_BYTES)
  const pickupId = loginPickupIdOf(pickupSecret)
  const until = Math.floor((Date.now() + LOGIN_LIFETIME_MS) / 1000)
  const login: DeviceLogin = { publicKey: pair.publicKey, pickupId, until }
  const code = loginCodeOf(login, origin)
  showPage({
    ask: 'Sign in on this page, within 5 minutes:',
    url: `${origin}${DEVICE_PAGE}#${loginFragment(login)}`,
    note: `and type this code there, which nobody else may learn: ${code}`,
    open,
  })
  try {
    const collect = collector(origin, pickupSecret)
    const sealed = fromBase64Url(await awaitAnswer({ collect, now: Date.now, pause: sleep, until: until * 1000 }))
    if (!sealed.ok) throw new CommandRefused('answer_invalid', `${origin} does not answer as Flarewatch does`)
    const context = { origin, code, pickupId }
    const opened = await openSession({ privateKey: pair.privateKey, context, sealed: sealed.value })
    if (opened.ok) return opened.value
    throw new CommandRefused(
      'not_openable',
      'What came is not sealed to this command line. Nobody was signed in. Try again',
    )
  } finally {
    zeroize(pair.privateKey)
    zeroize(pickupSecret)
  }
}

type Collected = z.output<typeof LoginCollect.response>

function collector(origin: string, pickupSecret: Uint8Array): () => Promise<Collected> {
  const body = JSON.stringify({ pickup_secret: toBase64Url(pickupSecret) })
  const init = { method: 'POST', headers: { 'content-type': 'application/json' }, body }
  return () => fetchJson(`${origin}/api/login/collect`, init, LoginCollect.response)
}

export type Waiting = {
  readonly collect: () => Promise<Collected>
  /** Unix milliseconds, as `until` is. */
  readonly now: () => number
  readonly pause: (ms: number) => Promise<unknown>
  readonly until: number
}

/** RFC 8628 section 3.5: asks at an interval, slower when told so or when nobody answers, until there is an answer or no time left. */
export async function awaitAnswer({ collect, now, pause, until }: Waiting): Promise<string> {
  let interval = LOGIN_POLL_MS
  for (;;) {
    await pause(interval)
    if (now() >= until) {
      throw new CommandRefused('login_expired', 'Nobody let this command line in within 5 minutes. Start again')
    }
    const collected = await collect().catch(unlessOut)
    if (collected === null) interval *= 2
    else if (collected.state === 'approved') return collected.sealed
    else if (collected.state === 'slow_down') interval += LOGIN_SLOWER_MS
    else if (collected.state === 'denied') {
      throw new CommandRefused('login_denied', 'The login was refused on the page. Nobody was signed in')
    }
  }
}

/** Null while the server is away: the person on the page may not have noticed. */
function unlessOut(error: unknown): null {
  if (error instanceof CommandRefused && OUT.has(error.code)) return null
  throw error
}
const OUT: ReadonlySet<string> = new Set(['unreachable', 'store_unreachable'])
