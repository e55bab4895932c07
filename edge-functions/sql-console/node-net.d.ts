/** What the console uses of `node:net`, which Deno has and the types of which it would look for in Node's. */
export type Socket = {
  readonly on: (event: 'data', heard: (bytes: Uint8Array) => void) => void
  readonly once: ((event: 'error', heard: (error: Error) => void) => void) &
    ((event: 'connect', heard: () => void) => void)
  readonly removeListener: (event: 'error', heard: (error: Error) => void) => void
  readonly destroy: () => void
}
export function createConnection(to: { readonly host: string; readonly port: number }): Socket
