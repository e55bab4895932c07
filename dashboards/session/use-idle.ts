'use client'

import { useEffect, useRef } from 'react'

const MAX_IDLE_MS = 60 * 60_000
const CHECK_MS = 30_000
const NOTED_EVERY_MS = 10_000
/** In what the tabs share: whoever works in one of them is not away. */
const LAST_INPUT = 'flarewatch.last_input'
const INPUTS = ['pointerdown', 'pointermove', 'keydown', 'wheel', 'touchstart'] as const

/**
 * Calls back when nobody has touched a tab of ours for an hour, also while all were closed. supabase-js renews a session for as
 * long as a tab is open, and pages go on polling: neither is a person.
 */
export function useIdle(isSignedIn: boolean, onIdle: () => void): void {
  const latest = useRef(onIdle)
  useEffect(() => {
    latest.current = onIdle
  })
  useEffect(noteInputs, [])
  useEffect(() => {
    if (!isSignedIn) return
    const check = () => {
      if (Date.now() - lastInput() < MAX_IDLE_MS) return
      // What was noted is of the session that ends here.
      localStorage.removeItem(LAST_INPUT)
      latest.current()
    }
    check()
    const timer = setInterval(check, CHECK_MS)
    document.addEventListener('visibilitychange', check)
    return () => {
      clearInterval(timer)
      document.removeEventListener('visibilitychange', check)
    }
  }, [isSignedIn])
}

function noteInputs(): () => void {
  let notedAt = 0
  const note = () => {
    const now = Date.now()
    if (now - notedAt < NOTED_EVERY_MS) return
    notedAt = now
    localStorage.setItem(LAST_INPUT, String(now))
  }
  for (const name of INPUTS) document.addEventListener(name, note, { passive: true })
  return () => {
    for (const name of INPUTS) document.removeEventListener(name, note)
  }
}

/** With none noted, now: there is no earlier one to count from. */
function lastInput(): number {
  const noted = Number(localStorage.getItem(LAST_INPUT))
  if (Number.isSafeInteger(noted) && noted > 0) return noted
  const now = Date.now()
  localStorage.setItem(LAST_INPUT, String(now))
  return now
}
