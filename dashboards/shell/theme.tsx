'use client'

import { useCallback, useEffect, useState } from 'react'
import { useShortcuts } from './shortcuts.ts'

const THEMES = ['system', 'light', 'dark'] as const
type Theme = (typeof THEMES)[number]
/** `public/theme.js` reads it before the first paint. */
const SETTING = 'flarewatch.theme'

function storedTheme(): Theme {
  const stored = localStorage.getItem(SETTING)
  return THEMES.find((theme) => theme === stored) ?? 'system'
}

function applyTheme(theme: Theme): void {
  localStorage.setItem(SETTING, theme)
  if (theme === 'system') delete document.documentElement.dataset.theme
  else document.documentElement.dataset.theme = theme
}

export function ThemeToggle() {
  const [theme, setTheme] = useState<Theme>('system')
  useEffect(() => setTheme(storedTheme()), [])
  const next = useCallback(() => {
    const following = THEMES[(THEMES.indexOf(storedTheme()) + 1) % THEMES.length] ?? 'system'
    applyTheme(following)
    setTheme(following)
  }, [])
  useShortcuts({ t: next })
  return (
    <button type="button" className="button button-quiet" onClick={next} title="Change the theme (t)">
      <span aria-hidden="true">◐&nbsp;</span>
      <span className="theme-word">Theme:&nbsp;</span>
      {theme}
    </button>
  )
}
