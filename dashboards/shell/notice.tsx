import type { ReactNode } from 'react'
import { failureText } from '../data/failure-text.ts'
import type { Failure } from '../data/wire.ts'

/** A failure in plain words. `role=alert`, so that it is read out when it appears. */
export function FailureNotice({ failure, onRetry }: { readonly failure: Failure; readonly onRetry?: () => void }) {
  return (
    <div className="notice notice-error" role="alert">
      <p>{failureText(failure)}</p>
      {failure.permissions.length > 0 && (
        <ul>
          {failure.permissions.map((permission) => (
            <li key={permission}>{permission}</li>
          ))}
        </ul>
      )}
      {failure.requestId !== null && (
        <p className="fine">
          Reference <code>{failure.requestId}</code>
        </p>
      )}
      {onRetry !== undefined && (
        <button type="button" className="button" onClick={onRetry}>
          Try again
        </button>
      )}
    </div>
  )
}

export function Notice({ children }: { readonly children: ReactNode }) {
  return (
    <div className="notice" role="status">
      {children}
    </div>
  )
}
