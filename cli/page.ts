import { spawn } from 'node:child_process'

export type Page = {
  readonly ask: string
  readonly url: string
  readonly note: string
  /** Whether a browser on this machine is asked to open it. */
  readonly open: boolean
}

/** On standard error, so that standard output has the answer and nothing else. */
export function showPage({ ask, url, note, open }: Page): void {
  process.stderr.write(`${ask}\n  ${url}\n${note}\n`)
  if (open) openInBrowser(url)
}

/** Without a shell, which would read the address. One that cannot be opened has been printed all the same. */
function openInBrowser(url: string): void {
  const opener = process.platform === 'darwin' ? 'open' : 'xdg-open'
  const child = spawn(opener, [url], { stdio: 'ignore', detached: true })
  child.on('error', () => {})
  child.unref()
}
