'use client'

import { createContext, type ReactNode, useCallback, useContext, useEffect, useMemo, useState } from 'react'
import { Functions } from '../data/functions.ts'
import { type Config, readConfig } from '../data/gateway.ts'
import { forgetTraffic } from '../data/traffic.ts'
import { type Answer, type Failure, failed } from '../data/wire.ts'
import { type Account, Auth } from './auth.ts'
import { useIdle } from './use-idle.ts'

type Stage =
  | { readonly name: 'loading' }
  | { readonly name: 'failed'; readonly failure: Failure }
  | { readonly name: 'ready'; readonly auth: Auth; readonly functions: Functions; readonly account: Account | null }

type Session = {
  readonly stage: Stage
  /** A person with a factor who chose to go on with the password alone (A2). */
  readonly viewOnly: boolean
  readonly continueViewing: () => void
  /** Looks again who is signed in, and how. */
  readonly recheck: () => Promise<void>
  readonly signOut: () => Promise<void>
  /** Signs out and says why. */
  readonly leave: (why: Failure) => Promise<void>
  /** Why the last session ended; null once another has begun, or where the person ended it here. */
  readonly farewell: Failure | null
}

const SessionContext = createContext<Session | null>(null)

export function useSession(): Session {
  const session = useContext(SessionContext)
  if (session === null) throw new Error('useSession outside of SessionProvider')
  return session
}

type Services = { readonly auth: Auth; readonly functions: Functions }

function servicesOf(config: Config): Services {
  const auth = new Auth(config)
  return { auth, functions: new Functions(config, () => auth.accessToken()) }
}

/** One client a page: two of them would race to renew the same session. */
let services: Promise<Answer<Services>> | null = null
function openServices(): Promise<Answer<Services>> {
  services ??= readConfig().then((config) => {
    if (config.ok) return { ok: true, value: servicesOf(config.value) }
    services = null
    return config
  })
  return services
}

async function currentStage(): Promise<Stage> {
  const opened = await openServices()
  if (!opened.ok) return { name: 'failed', failure: opened.failure }
  const account = await opened.value.auth.account()
  return account.ok
    ? { name: 'ready', ...opened.value, account: account.value }
    : { name: 'failed', failure: account.failure }
}

export function SessionProvider({ children }: { readonly children: ReactNode }) {
  const [stage, setStage] = useState<Stage>({ name: 'loading' })
  const [viewOnly, setViewOnly] = useState(false)

  const [farewell, setFarewell] = useState<Failure | null>(null)

  const recheck = useCallback(async () => {
    const next = await currentStage()
    if (next.name === 'ready' && next.account !== null) setFarewell(null)
    setStage(next)
  }, [])
  const signOut = useCallback(async () => {
    const opened = await openServices()
    if (opened.ok) await opened.value.auth.signOut()
    await recheck()
  }, [recheck])
  const leave = useCallback(
    async (why: Failure) => {
      // What was asked before and is refused after it is not the reason.
      setFarewell((known) => known ?? why)
      await signOut()
    },
    [signOut],
  )
  const continueViewing = useCallback(() => setViewOnly(true), [])

  useEffect(() => {
    void recheck()
  }, [recheck])

  useIdle(stage.name === 'ready' && stage.account !== null, () => void leave(failed('session_idle').failure))

  const auth = stage.name === 'ready' ? stage.auth : null
  useEffect(
    () =>
      auth?.onSignedOut(() => {
        forgetTraffic()
        setViewOnly(false)
        setStage((known) => (known.name === 'ready' ? { ...known, account: null } : known))
      }),
    [auth],
  )

  const session = useMemo(
    () => ({ stage, viewOnly, continueViewing, recheck, signOut, leave, farewell }),
    [stage, viewOnly, continueViewing, recheck, signOut, leave, farewell],
  )
  return <SessionContext value={session}>{children}</SessionContext>
}
