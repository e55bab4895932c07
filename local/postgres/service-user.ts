import { spawnSync } from 'node:child_process'
import { chownSync } from 'node:fs'

/**
 * Postgres refuses to run as root. A root supervisor therefore drops to an unprivileged user, which may be unable to reach
 * a checkout below a 0700 folder: it keeps the one capability that path look-ups need, and nothing else.
 */
export type ServiceUser = {
  /** What goes before the program's own arguments. */
  readonly command: (program: string, args: readonly string[]) => readonly [string, readonly string[]]
  /** Hands a file or folder to the user that Postgres runs as. */
  readonly own: (path: string) => void
}

/** `nobody` by convention; the number needs no entry in /etc/passwd. */
const UNPRIVILEGED_ID = 65534
const PROBE_TIMEOUT_MS = 5000

const SELF: ServiceUser = { command: (program, args) => [program, args], own: () => {} }

const SETPRIV = ['setpriv', `--reuid=${UNPRIVILEGED_ID}`, `--regid=${UNPRIVILEGED_ID}`, '--clear-groups']
const KEEP_PATH_ACCESS = ['--inh-caps=+dac_override', '--ambient-caps=+dac_override', '--securebits=+no_setuid_fixup']
const WRAPPERS: readonly { readonly prefix: readonly string[]; readonly owner: number }[] = [
  { prefix: [...SETPRIV, ...KEEP_PATH_ACCESS], owner: UNPRIVILEGED_ID },
  // Without the capability it still works wherever the checkout can be reached by all.
  { prefix: SETPRIV, owner: UNPRIVILEGED_ID },
  // Inside a user namespace the files stay root's and the process sees itself as 1000.
  { prefix: ['unshare', '--user', '--map-user=1000', '--map-group=1000'], owner: 0 },
]

/** Finds a way to run `program` on `folder` as somebody who is not root; each is tried, not guessed. */
export function serviceUser(program: string, folder: string): ServiceUser {
  if (process.getuid?.() !== 0) return SELF
  for (const { prefix, owner } of WRAPPERS) {
    const own = (path: string) => chownSync(path, owner, owner)
    own(folder)
    if (canRun(prefix, program, folder)) {
      const [wrapper = '', ...options] = prefix
      return { command: (command, args) => [wrapper, [...options, command, ...args]], own }
    }
  }
  throw new Error('Postgres does not run as root, and neither setpriv nor unshare could start it as another user')
}

function canRun(prefix: readonly string[], program: string, folder: string): boolean {
  const [wrapper = '', ...options] = prefix
  const probe = ['/bin/sh', '-c', 'test -w "$1" && exec "$2" --version', 'probe', folder, program]
  return spawnSync(wrapper, [...options, ...probe], { stdio: 'ignore', timeout: PROBE_TIMEOUT_MS }).status === 0
}
