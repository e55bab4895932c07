import { z } from 'zod'

/** zod compiles parsers with `new Function` where it may; the page's policy forbids that, so it is not even tried. */
z.config({ jitless: true })

export * from '../../domain/contracts/api.ts'
export * from '../../domain/contracts/console.ts'
export * from '../../domain/contracts/device-login.ts'
export * from '../../domain/contracts/edge-door.ts'
export * from '../../domain/contracts/functions.ts'
export * from '../../domain/contracts/ids.ts'
export * from '../../domain/contracts/operator-keys.ts'
export * from '../../domain/contracts/tiers.ts'
export { WEBHOOK_SCHEMES, WebhookProvider } from '../../domain/webhooks/judge.ts'
export { z }
