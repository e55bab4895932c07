import { parseBindings } from '../runtime/bindings.ts'
import { withDatabase } from '../runtime/database.ts'
import { log } from '../runtime/log.ts'
import { Bindings } from './bindings.ts'
import { fanOut } from './fan-out.ts'
import { dropOldFindings } from './findings.ts'
import { dropOldRuns } from './old-runs.ts'
import { dropOldEvents, requeueEvents } from './webhook-events.ts'

/** Each minute: due credentials become leased jobs, and their ids go to the queue; so do ids of events that wait. What is old of events, runs and findings goes. */
export default {
  async scheduled(controller: ScheduledController, env: unknown, context: ExecutionContext): Promise<void> {
    const bindings = parseBindings('scheduler', Bindings, env)
    const at = new Date(controller.scheduledTime)
    await withDatabase(bindings.DB, context, async (sql) => {
      log('scheduler', 'info', 'fan_out', { count: await fanOut(sql, bindings.INGEST, at) })
      log('scheduler', 'info', 'events_requeued', { count: await requeueEvents(sql, bindings.INGEST, at) })
      await dropOldEvents(sql, at)
      await dropOldRuns(sql, at)
      await dropOldFindings(sql, at)
    })
  },
}
