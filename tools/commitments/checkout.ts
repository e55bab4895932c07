import { execFileSync } from 'node:child_process'

/** The commit of a checkout, with `-dirty` when its files differ; `unknown` outside git. */
export function currentCommit(root: string): string {
  try {
    return execFileSync('git', ['describe', '--always', '--dirty', '--abbrev=40', '--exclude', '*'], {
      cwd: root,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    }).trim()
  } catch {
    return 'unknown'
  }
}
