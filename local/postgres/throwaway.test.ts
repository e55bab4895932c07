import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, it } from 'vitest'

it('a command that is interrupted takes its Postgres along', async () => {
  const source = `import { startThrowawayPostgres } from ${JSON.stringify(import.meta.resolve('./throwaway.ts'))}
    const { folder } = await startThrowawayPostgres('shipped')
    console.log(folder)
    setInterval(() => {}, 1000)`
  const command = spawn(process.execPath, ['--input-type=module', '--eval', source], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const [line] = (await once(command.stdout, 'data')) as [Buffer]
  const folder = line.toString().trim()
  const server = Number(readFileSync(join(folder, 'postgres', 'data', 'postmaster.pid'), 'utf8').split('\n')[0])
  command.kill('SIGINT')
  const [, by] = (await once(command, 'exit')) as [number | null, NodeJS.Signals]
  expect([by, existsSync(folder)]).toEqual(['SIGINT', false])
  while (isRunning(server)) await sleep(10)
})

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}
