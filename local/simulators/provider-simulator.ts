export type SimulatorOptions = {
  readonly seed: number
  readonly log: (line: string) => void
  readonly port?: number | undefined
  /** The stack's clock; the control endpoint moves the simulator's own on top of it. */
  readonly now?: (() => number) | undefined
  /** Where the secret lies that keeps issued keys valid over a restart. */
  readonly stateDir?: string | undefined
  /** Where statements run that a simulator does not answer out of its world. */
  readonly clientDatabaseUrl?: string | undefined
}

/** A simulated provider on loopback. To the product it is an address, and nothing else. */
export type ProviderSimulator = {
  /** What takes the place of the provider's real base address. */
  readonly apiUrl: string
  readonly controlUrl: string
  /** A key that can read what the figures need, and no more. */
  readonly issueReadKey: () => string
  readonly stop: () => Promise<void>
}
