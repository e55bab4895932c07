'use client'

import { useEffect, useRef } from 'react'

export type Shortcut = { readonly keys: string; readonly does: string }

export const SHORTCUTS: readonly Shortcut[] = [
  { keys: 'g o', does: 'Go to the overview' },
  { keys: 'g c', does: 'Go to the credentials' },
  { keys: 'g m', does: 'Go to the members' },
  { keys: 'g s', does: 'Go to the SQL console' },
  { keys: 'g a', does: 'Go to the audit log' },
  { keys: 'g i', does: 'Go to the incidents' },
  { keys: '1 2 3 4', does: 'Show 24 hours, 7 days, 30 days, 12 months' },
  { keys: 'p', does: 'Compare with the previous period, or stop' },
  { keys: 'r', does: 'Refresh now' },
  { keys: 't', does: 'Change the theme' },
  { keys: '?', does: 'Show this help' },
]

/** Single keys get in the way of speech input, so they can be switched off (WCAG 2.1.4). */
const SETTING = 'flarewatch.shortcuts'
export function shortcutsOn(): boolean {
  return localStorage.getItem(SETTING) !== 'off'
}
export function switchShortcuts(on: boolean): void {
  localStorage.setItem(SETTING, on ? 'on' : 'off')
}

const SEQUENCE_MS = 1000

/** Calls what belongs to a key, or to two keys in a row such as `g o`, unless the person is writing or choosing. */
export function useShortcuts(actions: Readonly<Record<string, () => void>>): void {
  const latest = useRef(actions)
  useEffect(() => {
    latest.current = actions
  })
  useEffect(() => {
    let first = { key: '', at: 0 }
    const onKey = (event: KeyboardEvent) => {
      if (event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target) || !shortcutsOn()) return
      const recent = event.timeStamp - first.at < SEQUENCE_MS ? first.key : ''
      first = { key: event.key, at: event.timeStamp }
      const action = latest.current[`${recent} ${event.key}`] ?? latest.current[event.key]
      if (action === undefined) return
      event.preventDefault()
      action()
    }
    document.addEventListener('keydown', onKey)
    return () => document.removeEventListener('keydown', onKey)
  }, [])
}

/** A dialog that was closed a moment ago still holds the focus, and takes no key any more. */
function isTyping(target: EventTarget | null): boolean {
  return (
    target instanceof Element &&
    target.closest('input:not([type=radio], [type=checkbox]), select, textarea, dialog[open]') !== null
  )
}
