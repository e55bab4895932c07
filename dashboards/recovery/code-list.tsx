'use client'

type CodeListProps = { readonly codes: readonly string[]; readonly onKept: () => void | Promise<void> }

/** Ten codes, told this once: nobody can show them again. */
export function CodeList({ codes, onKept }: CodeListProps) {
  return (
    <>
      <p>
        Each of these buys you a new start with another authenticator app, once, if you lose yours. Print them or put
        them into a password manager. <strong>They are shown only now.</strong>
      </p>
      <ul className="recovery-codes" aria-label="Recovery codes">
        {codes.map((code) => (
          <li key={code}>
            <code data-testid="recovery-code">{code}</code>
          </li>
        ))}
      </ul>
      <p>
        <a download="flarewatch-recovery-codes.txt" href={asFile(codes)}>
          Save them as a file
        </a>
      </p>
      <button type="button" className="button button-primary" onClick={onKept}>
        I have kept these codes
      </button>
    </>
  )
}

function asFile(codes: readonly string[]): string {
  return `data:text/plain;charset=utf-8,${encodeURIComponent(`${codes.join('\n')}\n`)}`
}
