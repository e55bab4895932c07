import { endDescendants } from './processes.ts'

const STOP_DEADLINE_MS = 5000
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

/**
 * Ctrl-C and its like stop every part, during the boot too. A part that hangs, or a second signal, ends the process all the
 * same; whatever child is left then is ended first.
 */
export function stopOnSignal(stop: () => Promise<void>): void {
  let stopping = false
  const exit = (status: number): never => {
    endDescendants()
    process.exit(status)
  }
  const onSignal = (): void => {
    if (stopping) exit(1)
    stopping = true
    process.stderr.write('\nstopping\n')
    setTimeout(() => exit(1), STOP_DEADLINE_MS).unref()
    stop().then(
      () => exit(0),
      () => exit(1),
    )
  }
  for (const signal of SIGNALS) process.on(signal, onSignal)
  keepToOurselves(onSignal)
}

/** miniflare's own handlers exit at once, before Postgres and Deno are stopped: none but ours stays registered. */
function keepToOurselves(ours: () => void): void {
  const isOurs = (event: string | symbol) => SIGNALS.some((signal) => signal === event)
  process.on('newListener', (event: string | symbol, listener: (...args: unknown[]) => void) => {
    if (isOurs(event) && listener !== ours) process.nextTick(() => process.removeListener(event, listener))
  })
}
