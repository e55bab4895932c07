'use client'

import { useCallback, useEffect, useRef, useState } from 'react'
import { OUTCOME_ACTION } from '../../domain/contracts/acts.ts'
import type { Answer } from '../data/wire.ts'
import { useWorkspace } from '../session/workspace.tsx'
import { FailureNotice } from '../shell/notice.tsx'
import { formatInstant } from '../view/format.ts'
import { type Act, actOf } from './acts.ts'
import { OutcomeBadge } from './outcome-badge.tsx'
import { RowProofSection } from './row-proof.tsx'
import { readRow } from './use-log.ts'
import { actorText, deedText, detailLabel, type Names } from './words.ts'

type RowDialogProps = {
  readonly seq: number
  /** The row where it is in the list already. */
  readonly listed: Act | null
  readonly names: Names
  readonly onClose: () => void
}

/** Everything about one row. A native dialog, as the help is. */
export function RowDialog({ seq, listed, names, onClose }: RowDialogProps) {
  const dialog = useRef<HTMLDialogElement>(null)
  useEffect(() => {
    if (dialog.current?.open === false) dialog.current.showModal()
  }, [])
  const [found, again] = useRow(seq, listed)
  return (
    <dialog ref={dialog} className="dialog dialog-wide" aria-labelledby="row-title" onClose={onClose}>
      <h2 id="row-title">Row {seq}</h2>
      {found === null && <div className="skeleton skeleton-table" role="status" aria-label="Loading" />}
      {found?.ok === false && <FailureNotice failure={found.failure} onRetry={again} />}
      {found?.ok && found.value === null && <p role="status">The log has no row {seq}, or not yet.</p>}
      {found?.ok && found.value !== null && <RowDetail act={found.value} names={names} />}
      <div className="actions">
        <button type="button" className="button" onClick={() => dialog.current?.close()}>
          Close
        </button>
      </div>
    </dialog>
  )
}

function RowDetail({ act: { row, outcome }, names }: { readonly act: Act; readonly names: Names }) {
  return (
    <>
      <p>
        <strong>{actorText(row.actor, names)}</strong> {deedText(row, names)} <OutcomeBadge outcome={outcome} />
      </p>
      <dl className="fields">
        <Field name="Time (UTC)" value={row.at.replace('T', ' ').replace('Z', '')} />
        <Field name="Actor" value={row.actor} />
        <Field name="Action" value={row.action} />
        <Field name="Target" value={row.target} />
        {Object.entries(row.detail).map(([name, value]) => (
          <Field key={name} name={detailLabel(name)} value={value} />
        ))}
        {(outcome.kind === 'succeeded' || outcome.kind === 'failed') && row.action !== OUTCOME_ACTION && (
          <div>
            <dt>Ended</dt>
            <dd>
              {formatInstant(Date.parse(outcome.at))} UTC, code <code>{outcome.code}</code>, in{' '}
              <a href={`#${outcome.seq}`}>row {outcome.seq}</a>
            </dd>
          </div>
        )}
        <Field name="Row id" value={row.row_id} />
        <Field name="Row hash" value={row.hash} />
      </dl>
      <RowProofSection row={row} />
      <p className="fine">
        The hash covers the row as it is stored, sealed; the words above are what the vault opened it to, for you.
      </p>
    </>
  )
}

function Field({ name, value }: { readonly name: string; readonly value: string }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{value === '' ? '—' : <code>{value}</code>}</dd>
    </div>
  )
}

/** From the list, or else asked for. */
function useRow(seq: number, listed: Act | null): [Answer<Act | null> | null, () => void] {
  const { gateway } = useWorkspace()
  const [asked, setAsked] = useState<{ readonly seq: number; readonly answer: Answer<Act | null> } | null>(null)
  const isListed = listed !== null
  const ask = useCallback(async () => {
    const answer = await readRow(gateway, seq)
    setAsked({ seq, answer: answer.ok ? { ok: true, value: answer.value && actOf(answer.value) } : answer })
  }, [gateway, seq])
  useEffect(() => {
    if (!isListed) void ask()
  }, [isListed, ask])
  if (listed !== null) return [{ ok: true, value: listed }, ask]
  return [asked?.seq === seq ? asked.answer : null, ask]
}
