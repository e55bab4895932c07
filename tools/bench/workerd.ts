import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { convertV4MiniflareOptions, Log, LogLevel, Miniflare, type V4WorkerOptions } from 'miniflare'

export type Workerd = { readonly stop: () => Promise<void> }

/** Some Workers in one workerd, reached by the sockets that their options name; what they store goes when they stop. */
export async function startWorkerd(workers: V4WorkerOptions[]): Promise<Workerd> {
  const dir = mkdtempSync(join(tmpdir(), 'flarewatch-bench-'))
  const miniflare = new Miniflare(
    convertV4MiniflareOptions({
      workers,
      host: '127.0.0.1',
      port: 0,
      cf: false,
      telemetry: { enabled: false },
      resourcePersistencePath: join(dir, 'state'),
      resourceTmpPath: join(dir, 'tmp'),
      log: new Log(LogLevel.NONE),
      handleStructuredLogs: () => {},
    }),
  )
  await miniflare.ready
  return {
    stop: async () => {
      await miniflare.dispose()
      rmSync(dir, { recursive: true, force: true })
    },
  }
}

/** Posts a job to a Worker of a bench and gives back its answer and how long it took, seen from here. */
export async function ask<Answer>(port: number, job: object): Promise<Answer & { readonly ms: number }> {
  const began = performance.now()
  const response = await fetch(`http://127.0.0.1:${port}/`, { method: 'POST', body: JSON.stringify(job) })
  if (!response.ok) throw new Error(`a bench's Worker failed: ${await response.text()}`)
  const answer = (await response.json()) as Answer
  return { ...answer, ms: performance.now() - began }
}
