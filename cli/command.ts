import type { ParseArgsOptionsConfig } from 'node:util'

export const EXIT = { ok: 0, failed: 1, usage: 2, unanchored: 3, configuration: 78 } as const
export type Exit = (typeof EXIT)[keyof typeof EXIT]

/** Ends a command with a stable code, words that say what to do next, and an exit status. */
export class CommandRefused extends Error {
  readonly code: string
  readonly exit: Exit
  constructor(code: string, message: string, exit: Exit = EXIT.failed) {
    super(message)
    this.code = code
    this.exit = exit
  }
}

export type Arguments = {
  /** The data directory. */
  readonly dir: string
  readonly values: Readonly<Record<string, string | boolean | undefined>>
  readonly positionals: readonly string[]
}

/** `document` is what `--json` prints; `text` is for a person. Neither ever holds a key; one of them, `credential reveal`, holds a credential. */
export type Answer = {
  readonly document: { readonly ok: boolean } & Readonly<Record<string, unknown>>
  readonly text: string
  readonly exit: Exit
}

export type Command = {
  readonly usage: string
  readonly summary: string
  readonly options: ParseArgsOptionsConfig
  readonly positionals: number
  readonly run: (args: Arguments) => Promise<Answer>
}
