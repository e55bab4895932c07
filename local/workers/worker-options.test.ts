import { spawnSync } from 'node:child_process'
import { expect, test } from 'vitest'
import { checkout } from '../supervisor/checkout.ts'

test('the options of a Worker come without a word on standard output, which is kept for the document of a --json', () => {
  const source = `
    import { stop } from 'esbuild'
    import { workerOptions } from './local/workers/worker-options.ts'
    const values = { bindings: {}, databaseUrl: 'postgres://user@127.0.0.1:5432/none', port: 1, clock: Date.now }
    const { hyperdrives } = await workerOptions('durable-objects', values)
    await stop()
    console.error(Object.keys(hyperdrives).join())
  `
  const { WRANGLER_LOG: _, ...env } = process.env
  const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '--eval', source], {
    cwd: checkout('.'),
    env,
    encoding: 'utf8',
  })
  expect([stdout, stderr.trim().split('\n').at(-1)]).toEqual(['', 'DB'])
})
