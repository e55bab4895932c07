'use client'

import { type RefObject, useEffect, useState } from 'react'
import { SHORTCUTS, shortcutsOn, switchShortcuts } from './shortcuts.ts'

/** A native dialog: it keeps the focus inside, closes on Escape and gives the focus back. */
export function HelpDialog({ dialog }: { readonly dialog: RefObject<HTMLDialogElement | null> }) {
  const [on, setOn] = useState(true)
  useEffect(() => setOn(shortcutsOn()), [])

  return (
    <dialog ref={dialog} className="dialog" aria-labelledby="help-title">
      <h2 id="help-title">Keyboard shortcuts</h2>
      <dl className="shortcuts">
        {SHORTCUTS.map(({ keys, does }) => (
          <div key={keys}>
            <dt>
              {keys.split(' ').map((key) => (
                <kbd key={key}>{key}</kbd>
              ))}
            </dt>
            <dd>{does}</dd>
          </div>
        ))}
      </dl>
      <p className="fine">In a chart, the arrow keys move from one value to the next.</p>
      <label className="check">
        <input
          type="checkbox"
          checked={on}
          onChange={({ target }) => {
            switchShortcuts(target.checked)
            setOn(target.checked)
          }}
        />
        Use single-key shortcuts
      </label>
      <div className="actions">
        <button type="button" className="button" onClick={() => dialog.current?.close()}>
          Close
        </button>
      </div>
    </dialog>
  )
}
