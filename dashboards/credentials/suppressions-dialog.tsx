'use client'

import { useState } from 'react'
import type { ProviderAction, TenantId, z } from '../data/schemas.ts'
import { failed } from '../data/wire.ts'
import { useWorkspace } from '../session/workspace.tsx'
import { ActDialog } from './act-dialog.tsx'
import type { Line } from './health.ts'
import type { Site } from './purge-dialog.tsx'

type SuppressionsDialogProps = {
  readonly line: Line
  readonly tenantId: TenantId
  /** One of this credential's: the list is its whole team's. */
  readonly site: Site
  readonly onClose: (done: boolean) => void
}
type Listed = z.output<typeof ProviderAction.listed>

/** First the list, then who is taken off it: two acts, each confirmed and each a row of its own. Addresses stay in this page. */
export function SuppressionsDialog({ line, tenantId, site, onClose }: SuppressionsDialogProps) {
  const [listed, setListed] = useState<Listed | null>(null)
  /** The page that is to be read; null while the list is looked at. */
  const [reading, setReading] = useState<{ readonly after: string | null } | null>({ after: null })
  const shared = { last4: line.last4, names: { tenant_id: tenantId, credential_id: line.id, site_id: site.id } }
  if (reading !== null) {
    return (
      <ReadList
        {...shared}
        after={reading.after}
        onRead={({ suppressions, more }) =>
          setListed({ suppressions: [...(listed?.suppressions ?? []), ...suppressions], more })
        }
        onClose={(done) => (done ? setReading(null) : onClose(false))}
      />
    )
  }
  if (listed === null) return null
  const older = () => setReading({ after: listed.suppressions.at(-1)?.id ?? null })
  return <ChooseOne {...shared} listed={listed} onOlder={older} onClose={onClose} />
}

type Names = Omit<z.output<typeof ProviderAction.read>, 'suppressions_after'>
type ReadListProps = {
  readonly last4: string
  readonly names: Names
  readonly after: string | null
  readonly onRead: (listed: Listed) => void
  readonly onClose: (done: boolean) => void
}

function ReadList({ last4, names, after, onRead, onClose }: ReadListProps) {
  const { functions } = useWorkspace()
  const perform = async (key: string) => {
    const answer = await functions.readSuppressions({ ...names, suppressions_after: after }, key)
    if (answer.ok) onRead(answer.value)
    return answer
  }
  return (
    <ActDialog
      title="Suppression list at Resend"
      confirm={after === null ? 'Read the list' : 'Read older ones'}
      perform={perform}
      content={`${after}`}
      onClose={onClose}
    >
      <p>
        Whom Resend sends nothing to any more, after a bounce or a complaint. The list is one for the whole team, and
        names persons: it is shown here, kept nowhere, and that you read it is put on record.
      </p>
      <p>
        With <code>····{last4}</code>, Resend is sent exactly this:
      </p>
      <pre data-testid="sent">GET /suppressions?limit=100{after !== null && `&after=${after}`}</pre>
    </ActDialog>
  )
}

type ChooseOneProps = {
  readonly last4: string
  readonly names: Names
  readonly listed: Listed
  readonly onOlder: () => void
  readonly onClose: (done: boolean) => void
}

function ChooseOne({ last4, names, listed: { suppressions, more }, onOlder, onClose }: ChooseOneProps) {
  const { functions } = useWorkspace()
  const [sought, setSought] = useState('')
  const [chosenId, setChosenId] = useState<string | null>(null)
  const found = suppressions.filter(({ email }) => email.toLowerCase().includes(sought.trim().toLowerCase()))
  const chosen = suppressions.find(({ id }) => id === chosenId)
  const perform = async (key: string) =>
    chosen === undefined
      ? failed('request_invalid')
      : functions.removeSuppression({ ...names, remove_suppression: chosen.id }, key)
  return (
    <ActDialog
      title="Remove an address from the suppression list"
      confirm="Remove this address"
      perform={perform}
      content={`${chosenId}`}
      onClose={onClose}
    >
      <div className="field">
        <label htmlFor="suppression-sought">
          Find among {suppressions.length} {more && 'of the newest'}
        </label>
        <input
          id="suppression-sought"
          className="input"
          value={sought}
          spellCheck={false}
          onChange={(event) => setSought(event.target.value)}
        />
      </div>
      <fieldset className="choices">
        <legend className="visually-hidden">Address</legend>
        {found.map(({ id, email, origin, created_at }) => (
          <label key={id} className="choice-line">
            <input type="radio" name="suppression" checked={id === chosenId} onChange={() => setChosenId(id)} />
            <span>{email}</span>
            <span className="fine">
              {origin}, {created_at.slice(0, 10)}
            </span>
          </label>
        ))}
        {found.length === 0 && <p className="empty">Nobody of that name is on it.</p>}
      </fieldset>
      {more && (
        <button type="button" className="button-link" onClick={onOlder}>
          Read older ones
        </button>
      )}
      <p>
        With <code>····{last4}</code>, Resend is sent exactly this, and will then send to{' '}
        <strong>{chosen?.email ?? 'nobody yet'}</strong> again:
      </p>
      <pre data-testid="sent">{chosen === undefined ? 'Choose an address.' : `DELETE /suppressions/${chosen.id}`}</pre>
    </ActDialog>
  )
}
