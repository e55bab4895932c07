import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { expect, onTestFinished, test } from 'vitest'
import { freePorts } from './ports.ts'

const NAMES = Array.from({ length: 150 }, (_, index) => `port ${index}`)

test('no port is given twice, though nothing has bound the first one yet, and blocks run out', async () => {
  const [ones, others] = await Promise.all([freePorts(...NAMES), freePorts(...NAMES)])
  expect(new Set([...Object.values(ones), ...Object.values(others)]).size).toBe(2 * NAMES.length)
})

test('a port that somebody listens on is passed over', async () => {
  const { first } = await freePorts('first')
  const server = createServer().listen(first + 1, '127.0.0.1')
  await once(server, 'listening')
  const { second } = await freePorts('second')
  server.close()
  expect(second).not.toBe(first + 1)
})

test('processes that ask at one time get different ports', async () => {
  const asked = Array.from({ length: 4 }, () => portsOfAProcess())
  const given = (await Promise.all(asked)).flat()
  expect(new Set(given).size).toBe(4 * NAMES.length)
})

/** Lives until each has been given its own: a block is free again when its process has ended. */
async function portsOfAProcess(): Promise<number[]> {
  const source = `import { freePorts } from ${JSON.stringify(import.meta.resolve('./ports.ts'))}
    console.log(JSON.stringify(Object.values(await freePorts(...${JSON.stringify(NAMES)}))))
    process.stdin.resume()`
  const child = spawn(process.execPath, ['--input-type=module', '--eval', source], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  onTestFinished(() => void child.kill())
  const [line] = (await once(child.stdout, 'data')) as [Buffer]
  return JSON.parse(line.toString()) as number[]
}
