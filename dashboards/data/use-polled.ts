'use client'

import { useCallback, useEffect, useRef, useState } from 'react'
import type { Answer, Failure } from './wire.ts'

export type Polled<Value> = {
  /** The last good answer; it stays while a later one fails. */
  readonly value: Value | null
  readonly failure: Failure | null
  readonly loadedAt: number | null
  readonly refresh: () => void
}
type State<Value> = {
  readonly key: string
  readonly value: Value | null
  readonly failure: Failure | null
  readonly at: number | null
}

/**
 * Reads now, then every so often while the page is visible and `isWanted`, and as soon as they are again if it is due. Another `key` is
 * another question: what was known under the old one is not shown for it.
 */
export function usePolled<Value>(
  key: string,
  everyMs: number,
  load: () => Promise<Answer<Value>>,
  isWanted = true,
): Polled<Value> {
  const [state, setState] = useState<State<Value>>({ key, value: null, failure: null, at: null })
  const [round, setRound] = useState(0)
  const latest = useRef(load)
  const answered = useRef<{ readonly key: string; readonly at: number } | null>(null)
  useEffect(() => {
    latest.current = load
  })

  // `round` is what a wish to refresh changes; the loop itself does not read it.
  // biome-ignore lint/correctness/useExhaustiveDependencies: see above
  useEffect(() => {
    if (!isWanted) return
    let live = true
    let due = answered.current?.key === key ? answered.current.at + everyMs : 0
    let timer: ReturnType<typeof setTimeout> | undefined
    const run = async () => {
      clearTimeout(timer)
      const at = Date.now()
      due = at + everyMs
      const answer = await latest.current()
      if (!live) return
      answered.current = { key, at }
      setState((known) => nextState(known, key, answer))
      timer = setTimeout(tick, Math.max(0, due - Date.now()))
    }
    const tick = () => {
      if (document.visibilityState === 'visible' && Date.now() >= due) void run()
    }
    document.addEventListener('visibilitychange', tick)
    if (Date.now() >= due) void run()
    else timer = setTimeout(tick, due - Date.now())
    return () => {
      live = false
      clearTimeout(timer)
      document.removeEventListener('visibilitychange', tick)
    }
  }, [key, everyMs, round, isWanted])

  const refresh = useCallback(() => {
    answered.current = null
    setRound((past) => past + 1)
  }, [])
  const own = state.key === key ? state : { value: null, failure: null, at: null }
  return { value: own.value, failure: own.failure, loadedAt: own.at, refresh }
}

function nextState<Value>(known: State<Value>, key: string, answer: Answer<Value>): State<Value> {
  if (answer.ok) return { key, value: answer.value, failure: null, at: Date.now() }
  const kept = known.key === key ? known : { value: null, at: null }
  return { key, value: kept.value, failure: answer.failure, at: kept.at }
}
