import { parseBindings } from '../runtime/bindings.ts'
import { currentTime } from '../runtime/clock.ts'
import { withDatabase } from '../runtime/database.ts'
import { Bindings } from './bindings.ts'
import { consumeDeadLetters } from './dead-letter.queue.ts'
import { consumeIngest } from './ingest.queue.ts'
import { JobStore } from './job-store.ts'
import type { PollParts } from './poll.ts'

const DEAD_LETTERS = 'flarewatch-ingest-dead'

/** Two queues, one consumer: the jobs, and those that no retry has helped. */
export default {
  async queue(batch: MessageBatch, env: unknown, context: ExecutionContext): Promise<void> {
    const bindings = parseBindings('connector', Bindings, env)
    const clock = () => currentTime(bindings)
    await withDatabase(bindings.DB, context, async (sql) => {
      const store = new JobStore(sql, clock)
      if (batch.queue === DEAD_LETTERS) await consumeDeadLetters(store, batch.messages)
      else await consumeIngest(partsOf(bindings, store, clock), batch.messages)
    })
  },
}

function partsOf(bindings: Bindings, store: JobStore, clock: () => Promise<number>): PollParts {
  return {
    store,
    vault: bindings.VAULT,
    limitsOf: (credentialId) => bindings.PROVIDER_LIMITS.get(bindings.PROVIDER_LIMITS.idFromName(credentialId)),
    clock,
    fetch: (url, init) => fetch(url, init),
    apiUrls: bindings,
    wait: (ms) => new Promise((passed) => setTimeout(passed, ms)),
  }
}
