import { z } from 'zod'
import { CredentialId, TenantId } from '../../domain/contracts/ids.ts'
import { Provider } from '../../domain/contracts/providers.ts'
import { IngestMessage } from '../../domain/contracts/queues.ts'
import type { ApiUrls } from '../../domain/providers/registry.ts'

/** What a connector in a process of its own is to do, over Node's own channel. */
export const Work = z.object({
  databaseUrl: z.string(),
  apiUrls: z.custom<ApiUrls>((value) => typeof value === 'object' && value !== null),
  budgetDir: z.string(),
  keys: z.array(
    z.object({
      credentialId: CredentialId,
      tenantId: TenantId,
      subkey: z.hex().transform((hex) => Buffer.from(hex, 'hex')),
    }),
  ),
  lanes: z.array(z.object({ provider: Provider, now: z.int(), messages: z.array(IngestMessage) })),
})
export type Work = z.input<typeof Work>
/** `ready` before the first work; `waited` moves a provider's clock and is answered; `done` after each work. */
export const Said = z.union([
  z.literal('ready'),
  z.literal('done'),
  z.object({ provider: Provider, waited: z.number() }),
])
export type Said = z.output<typeof Said>
