import { parseBindings } from '../runtime/bindings.ts'
import { withDatabase } from '../runtime/database.ts'
import { log } from '../runtime/log.ts'
import { Bindings } from './bindings.ts'
import { fanOut } from './fan-out.ts'

/** Each minute: due credentials become leased jobs, and their ids go to the queue. */
export default {
  async scheduled(controller: ScheduledController, env: unknown, context: ExecutionContext): Promise<void> {
    const bindings = parseBindings('scheduler', Bindings, env)
    const at = new Date(controller.scheduledTime)
    const sent = await withDatabase(bindings.DB, context, (sql) => fanOut(sql, bindings.INGEST, at))
    log('scheduler', 'info', 'fan_out', { count: sent })
  },
}
