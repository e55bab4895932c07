import { parseBindings } from '../runtime/bindings.ts'
import { currentTime } from '../runtime/clock.ts'
import { withDatabase } from '../runtime/database.ts'
import { Bindings } from './bindings.ts'
import { consumeDeadLetters } from './dead-letter.queue.ts'
import { consumeEvents, isEventMessage } from './event.queue.ts'
import { EventStore } from './event-store.ts'
import { GapStore } from './gap-store.ts'
import { consumeIngest } from './ingest.queue.ts'
import { JobStore } from './job-store.ts'
import type { PollParts } from './poll.ts'

const DEAD_LETTERS = 'flarewatch-ingest-dead'

/** Two queues, one consumer: jobs and events, and those that no retry has helped. */
export default {
  async queue(batch: MessageBatch, env: unknown, context: ExecutionContext): Promise<void> {
    const bindings = parseBindings('connector', Bindings, env)
    const clock = () => currentTime(bindings)
    await withDatabase(bindings.DB, context, async (sql) => {
      const store = new JobStore(sql, clock)
      const [events, jobs] = [batch.messages.filter(isEventMessage), batch.messages.filter(isJobMessage)]
      if (batch.queue === DEAD_LETTERS) {
        // An event is not lost with its message: its row waits, and the scheduler sends its id again.
        for (const message of events) message.ack()
        return consumeDeadLetters(store, jobs)
      }
      const eventParts = { events: new EventStore(sql, clock), vault: bindings.VAULT }
      await Promise.all([
        consumeEvents(eventParts, events),
        consumeIngest(partsOf(bindings, { store, gaps: new GapStore(sql, clock) }, clock), jobs),
      ])
    })
  },
}

const isJobMessage = (message: Message) => !isEventMessage(message)

function partsOf(
  bindings: Bindings,
  stores: Pick<PollParts, 'store' | 'gaps'>,
  clock: () => Promise<number>,
): PollParts {
  return {
    ...stores,
    vault: bindings.VAULT,
    limitsOf: (credentialId) => bindings.PROVIDER_LIMITS.get(bindings.PROVIDER_LIMITS.idFromName(credentialId)),
    clock,
    fetch: (url, init) => fetch(url, init),
    apiUrls: bindings,
    wait: (ms) => new Promise((passed) => setTimeout(passed, ms)),
  }
}
