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
    provide: { runtime: 'Cloudflare-Workers' },
  },
})
