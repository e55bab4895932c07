import { join } from 'node:path'
import type { z } from 'zod'
import { connect } from '../../workers/runtime/database.ts'
import { type Said, Work } from './connector-work.ts'
import { NO_FAULTS } from './faults.ts'
import { Lane } from './lane.ts'
import { GoldenVault } from './vault.ts'

/** A connector that can be killed: nothing of it outlives the process. */
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
