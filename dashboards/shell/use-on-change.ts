'use client'

import { useEffect, useRef } from 'react'

/** Acts when a count goes on, and not on the first one that is seen. */
export function useOnChange(round: number, act: () => void): void {
  const seen = useRef(round)
  useEffect(() => {
    if (seen.current === round) return
    seen.current = round
    act()
  }, [round, act])
}
