import { defineProject } from 'vitest/config'
import { wycheproof } from './tools/wycheproof.ts'

/** The one domain suite, on whichever runtime runs vitest: Node and Deno. */
export default defineProject({
  plugins: [wycheproof()],
  test: {
    name: 'domain',
    include: ['domain/**/*.test.ts'],
    testTimeout: 60_000,
    provide: { runtime: 'Deno' in globalThis ? 'Deno' : 'Node.js' },
  },
})
