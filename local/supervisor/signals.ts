const STOP_DEADLINE_MS = 5000

/** Ctrl-C and SIGTERM stop every part; a part that hangs, or a second Ctrl-C, ends the process all the same. */
export function stopOnSignal(stop: () => Promise<void>): void {
  let stopping = false
  const onSignal = (): void => {
    if (stopping) process.exit(1)
    stopping = true
    process.stderr.write('\nstopping\n')
    setTimeout(() => process.exit(1), STOP_DEADLINE_MS).unref()
    stop().then(
      () => process.exit(0),
      () => process.exit(1),
    )
  }
  process.on('SIGINT', onSignal)
  process.on('SIGTERM', onSignal)
}
