import type { IngestMessage } from '../../domain/contracts/queues.ts'
import { connect } from '../../workers/runtime/database.ts'
import { fanOut } from '../../workers/scheduler/fan-out.ts'

/** One tick of the scheduler's own code in a process of its own, whose memory is then nobody else's. Prints what it sent, in its order. */
const [connectionString] = process.argv.slice(2)
const scheduler = connect({ connectionString } as Hyperdrive)
const sent: string[] = []
const queue = {
  sendBatch: async (messages: Iterable<MessageSendRequest<IngestMessage>>) => {
    for (const { body } of messages) sent.push(body.credential_id)
  },
} as unknown as Queue<IngestMessage>

const before = process.resourceUsage().maxRSS
const began = performance.now()
await fanOut(scheduler, queue, new Date())
const ms = performance.now() - began
await scheduler.end()
const grownMb = (process.resourceUsage().maxRSS - before) / 1024
process.stdout.write(JSON.stringify({ sent, ms, grownMb }))
