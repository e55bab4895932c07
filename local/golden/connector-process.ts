import { join } from 'node:path'
import { z } from 'zod'
import { CredentialId, TenantId } from '../../domain/contracts/ids.ts'
import { Provider } from '../../domain/contracts/providers.ts'
import { IngestMessage } from '../../domain/contracts/queues.ts'
import type { ApiUrls } from '../../domain/providers/registry.ts'
import { connect } from '../../workers/runtime/database.ts'
import { NO_FAULTS } from './faults.ts'
import { Lane } from './lane.ts'
import { GoldenVault } from './vault.ts'

/** A connector that can be killed: what it is to do comes over Node's own channel, and nothing of it outlives the process. */
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
type Said = z.output<typeof Said>

function say(said: Said): void {
  process.send?.(said)
}

async function perform({ databaseUrl, apiUrls, budgetDir, keys, lanes }: z.output<typeof Work>): Promise<void> {
  const vault = new GoldenVault()
  for (const key of keys) vault.keep(key)
  await Promise.all(
    lanes.map(async ({ provider, now, messages }) => {
      const sql = connect({ connectionString: databaseUrl } as Hyperdrive)
      for (const { job_id, credential_id } of messages) vault.leased(job_id, credential_id)
      const lane = new Lane(provider, {
        clock: { now },
        sql,
        vault,
        apiUrls,
        faults: NO_FAULTS,
        budgetFile: (credentialId) => join(budgetDir, `${credentialId}.sqlite`),
        waited: async (waited) => say({ provider, waited }),
      })
      await lane.consume(messages)
      await sql.end()
    }),
  )
}

// Whoever reads its output reads what the connector logs.
for (const level of ['log', 'warn', 'error'] as const) console[level] = () => {}
process.on('message', (message) => {
  perform(Work.parse(message)).then(
    () => say('done'),
    (error: unknown) => {
      process.stderr.write(`${String(error)}\n`)
      process.exit(1)
    },
  )
})
say('ready')
