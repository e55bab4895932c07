'use client'

import { type RefObject, useEffect, useState } from 'react'

/** Far enough that what one scrolls to is there already. */
const MARGIN = '3000px 0px'

/** Whether an element is on the screen, or a few screens from it. An agency has fifty sites, and sees three at a time. */
export function useNear(element: RefObject<Element | null>): boolean {
  const [isNear, setNear] = useState(false)
  useEffect(() => {
    if (element.current === null) return
    const observer = new IntersectionObserver((entries) => setNear(entries.at(-1)?.isIntersecting ?? false), {
      rootMargin: MARGIN,
    })
    observer.observe(element.current)
    return () => observer.disconnect()
  }, [element])
  return isNear
}
