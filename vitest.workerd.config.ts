import { cloudflareTest } from '@cloudflare/vitest-plugin'
import { defineConfig } from 'vitest/config'
import { wycheproof } from './tools/wycheproof.ts'

/** The one domain suite, inside workerd. */
export default defineConfig({
  plugins: [
    wycheproof(),
    cloudflareTest({
      remoteBindings: false,
      miniflare: { compatibilityDate: '2026-11-01', compatibilityFlags: ['nodejs_compat'] },
    }),
  ],
  test: {
    name: 'domain on workerd',
    include: ['domain/**/*.test.ts'],
    testTimeout: 60_000,
    // The domain keeps no state: one workerd serves all files, in a third of the time.
    isolate: false,
    provide: { runtime: 'Cloudflare-Workers' },
  },
})
