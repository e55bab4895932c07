import type { IngestMessage } from '../../domain/contracts/queues.ts'
import { connect } from '../../workers/runtime/database.ts'
import { fanOut } from '../../workers/scheduler/fan-out.ts'

/**
 * One tick of the scheduler's own code, in a process of its own, whose memory is then nobody else's. Prints what it sent, in its order; with
 * `--expose-gc`, what it held at the most, which costs it its speed.
 */
const [connectionString] = process.argv.slice(2)
const scheduler = connect({ connectionString } as Hyperdrive)
const { gc } = globalThis
const held = (): number => {
  gc?.()
  return gc === undefined ? 0 : process.memoryUsage().heapUsed / 1e6
}
const sent: string[] = []
const idleMb = held()
let peakMb = idleMb
const queue = {
  sendBatch: async (messages: Iterable<MessageSendRequest<IngestMessage>>) => {
    for (const { body } of messages) sent.push(body.credential_id)
    peakMb = Math.max(peakMb, held())
  },
} as unknown as Queue<IngestMessage>

const began = performance.now()
await fanOut(scheduler, queue, new Date())
const ms = performance.now() - began
await scheduler.end()
process.stdout.write(JSON.stringify({ sent, ms, heldMb: peakMb - idleMb }))
