import { z } from 'zod'
import { embeddedOnly, hyperdrive } from '../workers/runtime/bindings.ts'

export const HostBindings = z.object({
  DB: hyperdrive,
  /** The public half of the operator's backup key, in its text form. Empty is none, as wrangler's file has it. */
  BACKUP_PUBLIC_KEY: z
    .string()
    .optional()
    .transform((text) => (text === '' ? undefined : text)),
  ...embeddedOnly,
})
export type HostBindings = z.output<typeof HostBindings>
