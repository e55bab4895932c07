import { randomInt } from 'node:crypto'
import { createServer, type Server } from 'node:net'

/**
 * Below what Linux (32768), macOS and Windows (49152) take for outgoing connections: a port is asked for seconds before its part
 * binds it, and a connection of somebody's could take it meanwhile.
 */
const LOWEST_PORT = 12_000
const BEYOND_PORT = 32_000
const BLOCK = 200
const TRIES = 100

/**
 * Finds free loopback ports, none of which is given twice. Between the finding and the binding of a port nothing holds it, so a process
 * takes its ports from a block of its own: whoever holds a block's first port owns the block, and no two stacks that boot at one time
 * choose the same.
 */
export async function freePorts<Name extends string>(...names: readonly Name[]): Promise<Record<Name, number>> {
  const found: (readonly [Name, number])[] = []
  for (const name of names) found.push([name, await freePort()])
  return Object.fromEntries(found) as Record<Name, number>
}

let block: Promise<Iterator<number, undefined>> | undefined

async function freePort(): Promise<number> {
  block ??= claimBlock()
  const { value: port } = (await block).next()
  if (port === undefined) block = undefined
  return port !== undefined && (await isFree(port)) ? port : freePort()
}

async function claimBlock(): Promise<Iterator<number, undefined>> {
  for (let attempt = 1; ; attempt += 1) {
    const first = LOWEST_PORT + BLOCK * randomInt((BEYOND_PORT - LOWEST_PORT) / BLOCK)
    try {
      // Held as long as this process lives, without keeping it alive.
      const claim = await hold(first)
      claim.unref()
      return portsAfter(first)
    } catch (error) {
      if (attempt === TRIES) throw error
    }
  }
}

function* portsAfter(first: number): Generator<number, undefined> {
  for (let port = first + 1; port < first + BLOCK; port += 1) yield port
}

async function isFree(port: number): Promise<boolean> {
  try {
    const server = await hold(port)
    await new Promise((closed) => server.close(closed))
    return true
  } catch {
    return false
  }
}

function hold(port: number): Promise<Server> {
  return new Promise((listening, failed) => {
    const server = createServer()
    server.once('error', failed)
    server.listen(port, '127.0.0.1', () => listening(server))
  })
}
