/** The stack's clock: the machine's own, moved by an offset that tests may set. Production Workers have no such binding. */
export type StackClock = { readonly now: () => number; readonly setOffset: (milliseconds: number) => void }

export function createStackClock(): StackClock {
  let offset = 0
  return {
    now: () => Date.now() + offset,
    setOffset: (milliseconds) => {
      offset = milliseconds
    },
  }
}
