import { expect, inject, it } from 'vitest'

declare module 'vitest' {
  interface ProvidedContext {
    /** What `navigator.userAgent` starts with on the runtime that the suite was started for. */
    runtime: string
  }
}

it('runs on the runtime that it was started for', () => {
  expect(navigator.userAgent).toMatch(new RegExp(`^${inject('runtime')}`))
})
