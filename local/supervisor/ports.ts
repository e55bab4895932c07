import { createServer } from 'node:net'

/** Asks the kernel for free loopback ports. All are held open until every one is known, so that none is given twice. */
export async function freePorts<Name extends string>(...names: readonly Name[]): Promise<Record<Name, number>> {
  const servers = await Promise.all(names.map(async (name) => ({ name, server: await listenAnywhere() })))
  const ports = servers.map(({ name, server }) => [name, portOf(server)] as const)
  await Promise.all(servers.map(({ server }) => new Promise((closed) => server.close(closed))))
  return Object.fromEntries(ports) as Record<Name, number>
}

function listenAnywhere(): Promise<ReturnType<typeof createServer>> {
  return new Promise((listening, failed) => {
    const server = createServer()
    server.once('error', failed)
    server.listen(0, '127.0.0.1', () => listening(server))
  })
}

function portOf(server: ReturnType<typeof createServer>): number {
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('a TCP server has no port')
  return address.port
}
