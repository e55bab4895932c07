import type { Server } from 'node:http'

/** Listens on loopback alone; port 0 asks the kernel for a free one. Returns the address. */
export async function listenOnLoopback(server: Server, port: number): Promise<string> {
  await new Promise<void>((listening, failed) => {
    server.once('error', failed)
    server.listen(port, '127.0.0.1', () => listening())
  })
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('a TCP server has no port')
  return `http://127.0.0.1:${address.port}`
}

export function closeServer(server: Server): Promise<void> {
  return new Promise((closed) => {
    server.close(() => closed())
    server.closeAllConnections()
  })
}
