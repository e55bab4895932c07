/** Tells a person, on standard error, what the stack is doing. Standard output is kept for the answer. */
export type Progress = {
  /** Runs one part's start and prints how long it took. */
  part<Value>(name: string, start: () => Promise<Value>): Promise<Value>
  say(text: string): void
  /** Milliseconds per part, for the boot document. */
  readonly parts: Record<string, number>
}

export class PartFailed extends Error {
  readonly part: string
  constructor(part: string, cause: unknown) {
    super(`${part} did not start: ${cause instanceof Error ? cause.message : String(cause)}`, { cause })
    this.part = part
  }
}

export function createProgress(): Progress {
  const parts: Record<string, number> = {}
  return {
    parts,
    say: (text) => process.stderr.write(`${text}\n`),
    async part(name, start) {
      const began = performance.now()
      try {
        const value = await start()
        parts[name] = Math.round(performance.now() - began)
        process.stderr.write(`  ${name.padEnd(22)} ready  ${(parts[name] / 1000).toFixed(2).padStart(6)} s\n`)
        return value
      } catch (error) {
        if (error instanceof PartFailed) throw error
        throw new PartFailed(name, error)
      }
    },
  }
}
