'use client'

import { useState } from 'react'

/** A text to take elsewhere. Where the browser gives no clipboard, it is there to be selected. */
export function CopyField({ label, text }: { readonly label: string; readonly text: string }) {
  const [copied, setCopied] = useState(false)
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(text)
      setCopied(true)
    } catch {
      setCopied(false)
    }
  }
  return (
    <span className="copy-field">
      <code>{text}</code>
      <button type="button" className="button-link" aria-label={`Copy: ${label}`} onClick={() => void copy()}>
        {copied ? 'Copied' : 'Copy'}
      </button>
    </span>
  )
}
