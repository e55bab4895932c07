import { mkdirSync } from 'node:fs'
import { join } from 'node:path'

/** Keeps what the tools below us would write to a home directory inside the data directory, and keeps them from calling out (S3). */
export function confineTools(dir: string): void {
  const home = join(dir, 'home')
  mkdirSync(home, { recursive: true, mode: 0o700 })
  Object.assign(process.env, {
    HOME: home,
    XDG_CONFIG_HOME: home,
    XDG_CACHE_HOME: home,
    XDG_DATA_HOME: home,
    DENO_DIR: join(home, 'deno'),
    WRANGLER_SEND_METRICS: 'false',
    // Its notices would otherwise reach standard output, which is kept for our answer.
    WRANGLER_LOG: 'error',
    CLOUDFLARE_CF_FETCH_ENABLED: 'false',
    DO_NOT_TRACK: '1',
    LITE_TELEMETRY: '0',
    NEXT_TELEMETRY_DISABLED: '1',
    DENO_NO_UPDATE_CHECK: '1',
  })
}
