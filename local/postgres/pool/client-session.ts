import { createHash, randomBytes, timingSafeEqual } from 'node:crypto'
import type { Socket } from 'node:net'
import {
  CANCEL_REQUEST,
  errorMessage,
  type Frame,
  FrameReader,
  GSS_REQUEST,
  int32,
  MAX_STARTUP_BYTES,
  message,
  PROTOCOL_VERSION,
  ProtocolError,
  readParameters,
  SSL_REQUEST,
} from './messages.ts'
import type { RolePool } from './role-pool.ts'
import type { ServerConnection } from './server-connection.ts'

/** What a session needs of the pool it belongs to. */
export type PoolDirectory = {
  readonly passwordOf: (role: string) => string | undefined
  readonly poolOf: (role: string) => RolePool | undefined
  readonly register: (key: string, session: ClientSession) => void
  readonly forget: (key: string) => void
  readonly cancel: (key: string) => void
}

/** A client may name itself; any other parameter would be session state, which a transaction pool cannot keep. */
const HARMLESS_PARAMETERS = new Set(['user', 'database', 'application_name', 'client_encoding'])
const CLEARTEXT_PASSWORD = 3
const AUTHENTICATION_OK = 0
const READY = message('Z', Buffer.from('I'))
/** Messages that Postgres answers with ReadyForQuery: Query, Sync, FunctionCall. */
const ANSWERED_BY_READY = new Set(['Q', 'S', 'F'])
const STATE = { protocol: '08P01', password: '28P01', unsupported: '0A000', exhausted: '53300', lost: '08006' } as const

/**
 * One client. A server connection is lent at the first message and taken back when Postgres says that no transaction is open, nothing
 * is unanswered and no extended-protocol message waits for its Sync: so a transaction always has one connection to itself.
 */
export class ClientSession {
  readonly #socket: Socket
  readonly #directory: PoolDirectory
  readonly #cancelKey = randomBytes(8)
  readonly #reader = new FrameReader()
  #startup: Buffer = Buffer.alloc(0)
  #phase: 'startup' | 'password' | 'ready' | 'closed' = 'startup'
  #role = ''
  #server: ServerConnection | undefined
  #waiting: Buffer[] | undefined
  #unanswered = 0
  #isUnsynced = false

  constructor(socket: Socket, directory: PoolDirectory) {
    this.#socket = socket
    this.#directory = directory
    socket.on('data', (chunk: Buffer) => this.#receive(chunk))
    socket.on('error', () => socket.destroy())
    socket.on('close', () => this.#closed())
  }

  cancel(): void {
    this.#server?.cancel()
  }

  #receive(chunk: Buffer): void {
    try {
      if (this.#phase === 'startup') this.#readStartup(chunk)
      else if (this.#phase !== 'closed') this.#readFrames(chunk)
    } catch (error) {
      this.#refuse(STATE.protocol, error instanceof ProtocolError ? error.message : 'malformed message')
    }
  }

  /** Untagged messages come first: an offer of TLS or GSS, which is declined, a cancellation, or the startup itself. */
  #readStartup(chunk: Buffer): void {
    this.#startup = Buffer.concat([this.#startup, chunk])
    while (this.#phase === 'startup' && this.#startup.length >= 8) {
      const length = this.#startup.readUInt32BE(0)
      if (length < 8 || length > MAX_STARTUP_BYTES) throw new ProtocolError('startup message of a wrong size')
      if (this.#startup.length < length) return
      const code = this.#startup.readUInt32BE(4)
      const body = this.#startup.subarray(8, length)
      this.#startup = this.#startup.subarray(length)
      if (code === SSL_REQUEST || code === GSS_REQUEST) this.#socket.write('N')
      else if (code === CANCEL_REQUEST) this.#passCancelOn(body)
      else if (code === PROTOCOL_VERSION) this.#begin(readParameters(body))
      else throw new ProtocolError('unknown protocol version')
    }
    if (this.#startup.length > 0 && this.#phase === 'password') this.#readFrames(this.#startup)
  }

  #passCancelOn(key: Buffer): void {
    this.#directory.cancel(key.toString('hex'))
    this.#end()
  }

  #begin(parameters: ReadonlyMap<string, string>): void {
    const unsupported = [...parameters.keys()].find((name) => !HARMLESS_PARAMETERS.has(name))
    const encoding = parameters.get('client_encoding') ?? 'UTF8'
    if (unsupported !== undefined || !/^'?utf-?8'?$/i.test(encoding)) {
      this.#refuse(
        STATE.unsupported,
        `the pool supports no startup parameter ${unsupported ?? `client_encoding ${encoding}`}`,
      )
      return
    }
    this.#role = parameters.get('user') ?? ''
    this.#phase = 'password'
    this.#socket.write(message('R', int32(CLEARTEXT_PASSWORD)))
  }

  #readFrames(chunk: Buffer): void {
    const frames = this.#reader.read(chunk)
    if (this.#phase === 'ready') {
      this.#forward(frames)
      return
    }
    const [frame, ...rest] = frames
    if (frame === undefined) return
    if (frame.type !== 'p' || rest.length > 0) throw new ProtocolError('expected a password')
    this.#authenticate(frame.body.subarray(0, -1).toString('utf8')).catch((error: Error) =>
      this.#refuse(STATE.lost, error.message),
    )
  }

  async #authenticate(password: string): Promise<void> {
    const expected = this.#directory.passwordOf(this.#role)
    const pool = this.#directory.poolOf(this.#role)
    if (expected === undefined || pool === undefined || !isEqual(password, expected)) {
      this.#refuse(STATE.password, `password authentication failed for user "${this.#role}"`)
      return
    }
    this.#socket.pause()
    const parameters = await pool.parameters()
    this.#socket.resume()
    if (this.#phase === 'closed') return
    this.#phase = 'ready'
    this.#directory.register(this.#cancelKey.toString('hex'), this)
    const greeting = [message('R', int32(AUTHENTICATION_OK)), parameters, message('K', this.#cancelKey), READY]
    this.#socket.write(Buffer.concat(greeting))
  }

  #forward(frames: readonly Frame[]): void {
    const passed: Buffer[] = []
    for (const { type, bytes } of frames) {
      if (type === 'X') {
        this.#end()
        return
      }
      if (ANSWERED_BY_READY.has(type)) {
        this.#unanswered += 1
        this.#isUnsynced = false
      } else {
        this.#isUnsynced = true
      }
      passed.push(bytes)
    }
    if (passed.length > 0) this.#send(Buffer.concat(passed))
  }

  #send(bytes: Buffer): void {
    if (this.#server !== undefined) {
      if (!this.#server.send(bytes, () => this.#socket.resume())) this.#socket.pause()
      return
    }
    if (this.#waiting !== undefined) {
      this.#waiting.push(bytes)
      return
    }
    this.#waiting = [bytes]
    this.#socket.pause()
    this.#borrow().catch((error: Error) => this.#refuse(STATE.exhausted, error.message))
  }

  async #borrow(): Promise<void> {
    const pool = this.#directory.poolOf(this.#role)
    if (pool === undefined) throw new Error('the pool is stopped')
    const server = await pool.borrow()
    if (this.#phase === 'closed') {
      await pool.giveBack(server)
      return
    }
    this.#server = server
    server.lend({ onFrames: (frames) => this.#answer(frames), onClose: () => this.#serverClosed() })
    const bytes = Buffer.concat(this.#waiting ?? [])
    this.#waiting = undefined
    this.#socket.resume()
    this.#send(bytes)
  }

  #answer(frames: readonly Frame[]): void {
    let status = ''
    for (const { type, body } of frames) {
      // In copy mode Postgres swallows Sync, and the count of answers would no longer tell where a transaction ends.
      if (type === 'G' || type === 'W') {
        this.#refuse(STATE.unsupported, 'the pool does not support COPY FROM STDIN')
        return
      }
      if (type === 'Z') {
        this.#unanswered -= 1
        status = body.toString('latin1')
      }
    }
    const isFlowing = this.#socket.write(Buffer.concat(frames.map(({ bytes }) => bytes)))
    const server = this.#server
    if (status === 'I' && this.#unanswered === 0 && !this.#isUnsynced) this.#giveBack()
    else if (!isFlowing && server !== undefined) {
      server.pause()
      this.#socket.once('drain', () => server.resume())
    }
  }

  #giveBack(): void {
    const server = this.#server
    this.#server = undefined
    if (server === undefined) return
    // reset() cannot reject: it resolves to false, and the connection is dropped.
    this.#directory
      .poolOf(this.#role)
      ?.giveBack(server)
      .catch(() => server.destroy())
  }

  #serverClosed(): void {
    const server = this.#server
    this.#server = undefined
    if (server !== undefined) this.#directory.poolOf(this.#role)?.discard(server)
    this.#refuse(STATE.lost, 'the server closed the connection')
  }

  #refuse(sqlState: string, text: string): void {
    if (this.#phase === 'closed') return
    this.#socket.write(errorMessage(sqlState, text))
    // Some drivers hand an error on only once they are told that the server is ready again.
    if (this.#unanswered > 0) this.#socket.write(READY)
    this.#end()
  }

  #end(): void {
    this.#phase = 'closed'
    this.#socket.end()
    this.#abandon()
  }

  #closed(): void {
    this.#phase = 'closed'
    this.#directory.forget(this.#cancelKey.toString('hex'))
    this.#abandon()
  }

  /** A client that left in mid-transaction leaves a session that nobody else may get. */
  #abandon(): void {
    const server = this.#server
    this.#server = undefined
    if (server === undefined) return
    server.cancel()
    this.#directory.poolOf(this.#role)?.discard(server)
  }
}

/** Compares digests: neither length nor first difference shows in the time taken. */
function isEqual(given: string, expected: string): boolean {
  const digest = (text: string) => createHash('sha256').update(text).digest()
  return timingSafeEqual(digest(given), digest(expected))
}
