let made: string | null = null

/** Tells isolates apart for an operator who asks many of them. Made late: nothing random may run while a Worker starts. */
export function isolateId(): string {
  made ??= crypto.randomUUID()
  return made
}
