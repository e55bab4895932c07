import type { Share } from '../../metrics/tops.ts'

/**
 * Seen less often than this in a day, a path is not named: an address that was made for one person, such as a link to reset a password,
 * is asked for once or twice. Of a sample, what is in it counts, since one event there is told as many.
 */
const LEAST_SEEN = 10
const MAX_PATH_CHARACTERS = 200

/** Paths as they may be kept: without a query, of bounded length, and asked for often enough to be no one person's. */
export function keepablePaths(paths: readonly Share[]): Share[] {
  const merged = new Map<string, Share>()
  for (const { key, value, sampling } of paths) {
    const path = shownPath(key)
    const known = merged.get(path)
    merged.set(path, {
      key: path,
      value: value + (known?.value ?? 0),
      sampling: Math.max(sampling, known?.sampling ?? 1),
    })
  }
  return [...merged.values()].filter(({ value, sampling }) => value >= LEAST_SEEN * sampling)
}

/** Cloudflare's `clientRequestPath` has no query. Should it ever have one, it ends here. */
function shownPath(path: string): string {
  const [withoutQuery = ''] = path.split(/[?#]/, 1)
  const characters = [...withoutQuery.replace(/\p{C}/gu, '\uFFFD')]
  if (characters.length === 0) return '/'
  if (characters.length <= MAX_PATH_CHARACTERS) return characters.join('')
  return `${characters.slice(0, MAX_PATH_CHARACTERS - 1).join('')}…`
}
