import { connect, createServer, type Socket } from 'node:net'

/** A loopback door to a server that a test can shut: established connections are cut, new ones refused. */
export type TcpSwitch = {
  readonly port: number
  readonly shut: () => void
  readonly open: () => void
  readonly stop: () => Promise<void>
}

export async function startTcpSwitch(upstreamPort: number): Promise<TcpSwitch> {
  const sockets = new Set<Socket>()
  let isOpen = true
  const server = createServer((downstream) => {
    if (!isOpen) return void downstream.destroy()
    const upstream = connect(upstreamPort, '127.0.0.1')
    for (const socket of [downstream, upstream]) {
      sockets.add(socket)
      socket.on('error', () => socket.destroy())
      socket.on('close', () => sockets.delete(socket))
    }
    downstream.pipe(upstream).pipe(downstream)
    downstream.on('close', () => upstream.destroy())
    upstream.on('close', () => downstream.destroy())
  })
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening))
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('a TCP server has no port')
  const cut = () => {
    for (const socket of sockets) socket.destroy()
  }
  return {
    port: address.port,
    shut: () => {
      isOpen = false
      cut()
    },
    open: () => {
      isOpen = true
    },
    stop: async () => {
      cut()
      await new Promise((closed) => server.close(closed))
    },
  }
}
