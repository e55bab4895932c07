'use client'

import { createContext, type ReactNode, useCallback, useContext } from 'react'
import { type Polled, usePolled } from '../data/use-polled.ts'
import { type Answer, requestText } from '../data/wire.ts'
import { useWorkspace } from '../session/workspace.tsx'
import { checkNewest, checkReceipt, type LogCheck } from './log-check.ts'

const CHECK_POLL_MS = 60_000
type LogCheckState = Polled<LogCheck> & { readonly check: (note: string) => Promise<Answer<LogCheck>> }
const LogCheckContext = createContext<LogCheckState | null>(null)

export function useLogCheck(): LogCheckState {
  const state = useContext(LogCheckContext)
  if (state === null) throw new Error('useLogCheck outside of LogCheckProvider')
  return state
}

/** Holds the newest receipt against the last one that this browser saw, on every page: a fork is news wherever one is. */
export function LogCheckProvider({ children }: { readonly children: ReactNode }) {
  const { tenant } = useWorkspace()
  const log = tenant?.id ?? null
  const polled = usePolled<LogCheck>(log ?? '', CHECK_POLL_MS, async () =>
    log === null ? NOTHING_TO_CHECK : checkNewest(log, browserTools()),
  )
  const check = useCallback(
    async (note: string) => (log === null ? NOTHING_TO_CHECK : checkReceipt(log, note, browserTools())),
    [log],
  )
  return <LogCheckContext value={{ ...polled, check }}>{children}</LogCheckContext>
}

const NOTHING_TO_CHECK: Answer<LogCheck> = { ok: true, value: { state: 'unsigned' } }

/** Receipts and keys are public: they are asked for as anyone would, without a token. */
export function browserTools() {
  return { fetch: (path: string) => requestText(path), store: localStorage }
}
