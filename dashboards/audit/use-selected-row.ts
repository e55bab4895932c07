'use client'

import { useCallback, useEffect, useState } from 'react'

/** The row that the address names (`#41`): a link to it can be sent to a colleague, and the back button closes it. */
export function useSelectedRow(): [seq: number | null, close: () => void] {
  const [seq, setSeq] = useState(() => seqIn(location.hash))
  useEffect(() => {
    const onHash = () => setSeq(seqIn(location.hash))
    // A link from another page: the router names the row in the address after the first rendering, and without an event.
    onHash()
    addEventListener('hashchange', onHash)
    return () => removeEventListener('hashchange', onHash)
  }, [])
  const close = useCallback(() => {
    // With the router's own state, which keeps it out of this: told of the change, it would write the address once more a moment
    // later, over that of a page which the reader has gone to meanwhile.
    history.replaceState(history.state, '', location.pathname + location.search)
    setSeq(null)
  }, [])
  return [seq, close]
}

function seqIn(hash: string): number | null {
  return /^#[1-9]\d{0,14}$/.test(hash) ? Number(hash.slice(1)) : null
}
