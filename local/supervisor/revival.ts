import { setTimeout as sleep } from 'node:timers/promises'

/** One run of a part: when it is over, and how to end it. */
export type Life = { readonly ended: Promise<unknown>; readonly stop: () => Promise<void> }

/** What the supervisor wants to know of a part that came back. */
export type Supervision = {
  readonly log: (line: string) => void
  /** Told after a part is back, so that its new processes are recorded. */
  readonly onRestart: () => void
}

export const UNSUPERVISED: Supervision = { log: () => {}, onRestart: () => {} }

const FIRST_BACKOFF_MS = 50
const LONGEST_BACKOFF_MS = 5000
/** A part that ran this long has recovered: its next end is waited for from the start. */
const STEADY_MS = 30_000

/**
 * Starts a part, and again whenever it ends by itself, until the returned stop is called. Only the first start may fail: who
 * booted the part is still there to be told.
 */
export async function keepAlive(
  name: string,
  start: (stopping: AbortSignal) => Promise<Life>,
  supervision: Supervision,
): Promise<() => Promise<void>> {
  const stopping = new AbortController()
  let life = await start(stopping.signal)
  let began = Date.now()
  let crashes = 0
  let reviving = Promise.resolve()

  const watch = (): void => {
    void life.ended.then(() => {
      if (!stopping.signal.aborted) reviving = revive()
    })
  }
  const revive = async (): Promise<void> => {
    supervision.log(`${name} ended by itself; starting it again`)
    crashes = Date.now() - began >= STEADY_MS ? 0 : crashes + 1
    for (; !stopping.signal.aborted; crashes += 1) {
      await backOff(crashes, stopping.signal)
      if (stopping.signal.aborted) return
      try {
        life = await start(stopping.signal)
      } catch (error) {
        supervision.log(`${name} did not start again: ${error instanceof Error ? error.message : String(error)}`)
        continue
      }
      began = Date.now()
      supervision.log(`${name} is back`)
      supervision.onRestart()
      return watch()
    }
  }
  watch()
  return async () => {
    stopping.abort()
    await reviving
    await life.stop()
  }
}

async function backOff(crashes: number, stopping: AbortSignal): Promise<void> {
  const pause = Math.min(FIRST_BACKOFF_MS * 2 ** crashes, LONGEST_BACKOFF_MS)
  // An abort ends the pause; the caller looks at the signal itself.
  await sleep(pause, undefined, { signal: stopping }).catch(() => {})
}
