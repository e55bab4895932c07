import { randomInt } from 'node:crypto'
import { createServer, type Server } from 'node:net'

/**
 * Below what Linux (32768), macOS and Windows (49152) take for outgoing connections: a port is asked for seconds before its part
 * binds it, and a connection of somebody's could take it meanwhile.
 */
const LOWEST_PORT = 12_000
const BEYOND_PORT = 32_000
const TRIES = 100

/** Finds free loopback ports. All are held open until every one is known, so that none is given twice. */
export async function freePorts<Name extends string>(...names: readonly Name[]): Promise<Record<Name, number>> {
  const held = await Promise.all(names.map(async (name) => ({ name, ...(await holdAny()) })))
  await Promise.all(held.map(({ server }) => new Promise((closed) => server.close(closed))))
  return Object.fromEntries(held.map(({ name, port }) => [name, port])) as Record<Name, number>
}

async function holdAny(): Promise<{ readonly port: number; readonly server: Server }> {
  for (let attempt = 1; ; attempt += 1) {
    const port = randomInt(LOWEST_PORT, BEYOND_PORT)
    try {
      return { port, server: await hold(port) }
    } catch (error) {
      if (attempt === TRIES) throw error
    }
  }
}

function hold(port: number): Promise<Server> {
  return new Promise((listening, failed) => {
    const server = createServer()
    server.once('error', failed)
    server.listen(port, '127.0.0.1', () => listening(server))
  })
}
