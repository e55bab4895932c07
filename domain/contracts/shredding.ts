import { z } from 'zod'

/** SHA-256 of a wrap, as base64: says which one it was, whenever a copy turns up. */
const Digest = z.base64().length(44)
const WrapName = z.strictObject({ version: z.int().positive(), kek_version: z.int().positive(), wrap: Digest })
/** More versions than a rotation leaves side by side. */
const MAX_VERSIONS = 16

/** What opens with a tenant's shares, and nothing any more once those are destroyed. */
export const KeyInventory = z.strictObject({
  deks: z.array(WrapName).max(MAX_VERSIONS),
  audit_keys: z.array(WrapName).max(MAX_VERSIONS),
  /** Sealed records, and SHA-256 over their wraps' digests in the order of the credentials' ids. */
  credentials: z.strictObject({ count: z.int().nonnegative(), wraps: Digest }),
})
export type KeyInventory = z.infer<typeof KeyInventory>
