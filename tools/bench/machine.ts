import { availableParallelism, cpus, loadavg, totalmem } from 'node:os'
import miniflare from 'miniflare/package.json' with { type: 'json' }

/** What figures depend on besides the code. A load above zero before the run says that the machine was shared. */
export function machineFacts() {
  return {
    cpu: cpus()[0]?.model ?? 'unknown',
    cores: availableParallelism(),
    memory_mb: Math.round(totalmem() / 2 ** 20),
    load_before: loadavg()[0] ?? 0,
    node: process.versions.node,
    miniflare: miniflare.version,
  }
}
export type MachineFacts = ReturnType<typeof machineFacts>
