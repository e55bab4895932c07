import { connect, type Socket } from 'node:net'
import {
  cancelMessage,
  cString,
  type Frame,
  FrameReader,
  int32,
  message,
  readError,
  startupMessage,
} from './messages.ts'
import { beginScram, type ScramExchange } from './scram.ts'

export type Upstream = { readonly port: number; readonly database: string }

/** What a client needs to see of the connection it was lent. */
export type Borrower = { readonly onFrames: (frames: readonly Frame[]) => void; readonly onClose: () => void }

const CONNECT_TIMEOUT_MS = 10_000
/** AuthenticationOk, SASL, SASLContinue, SASLFinal. */
const AUTH = { ok: 0, sasl: 10, saslContinue: 11, saslFinal: 12 } as const

/**
 * Gives back a session as if it were new, save cached plans: those hold no session state, and planning the policies anew for every
 * transaction is dear. One implicit transaction, so that it is done whole or the connection is not used again.
 */
const RESET =
  'set session authorization default; reset all; deallocate all; close all; unlisten *; select pg_catalog.pg_advisory_unlock_all(); discard sequences; discard temporary'

/** In the place of cleaning: a statement that raises an exception, saying what it found, where a session is not as new. */
export type Witness = {
  readonly statement: string
  readonly onLeftBehind: (role: string, what: string) => void
}
const RAISED = 'P0001'
const INSPECT_EVERY_MS = 100

/** One authenticated session with Postgres, lent to one client at a time. */
export class ServerConnection {
  readonly role: string
  /** ParameterStatus messages of the login, as sent. A client gets the same at its own start. */
  readonly parameters: Buffer
  readonly #socket: Socket
  readonly #port: number
  readonly #cancelKey: Buffer
  readonly #reader = new FrameReader()
  #borrower: Borrower | undefined
  #inspectedAt = 0
  #isClosed = false

  constructor(role: string, upstream: Upstream, socket: Socket, login: Login) {
    this.role = role
    this.parameters = Buffer.concat(login.parameters)
    this.#socket = socket
    this.#port = upstream.port
    this.#cancelKey = login.cancelKey
    socket.on('data', (chunk: Buffer) => this.#receive(chunk))
    socket.on('close', () => this.#closed())
  }

  get isClosed(): boolean {
    return this.#isClosed
  }

  lend(borrower: Borrower): void {
    this.#borrower = borrower
    this.#socket.resume()
  }

  /** False when the caller should wait for `onDrain` before it sends more. */
  send(bytes: Buffer, onDrain: () => void): boolean {
    const isFlowing = this.#socket.write(bytes)
    if (!isFlowing) this.#socket.once('drain', onDrain)
    return isFlowing
  }

  pause(): void {
    this.#socket.pause()
  }

  resume(): void {
    this.#socket.resume()
  }

  /** Takes the connection back as it is. */
  release(): boolean {
    this.#borrower = undefined
    return true
  }

  /** Takes the connection back; resolves to false when it could not be made clean and was closed instead. */
  reset(): Promise<boolean> {
    return this.#own(RESET, () => {})
  }

  /** Has a witness look at the session, which stays as it is; resolves to false when it was not as new and was closed. */
  async inspect({ statement, onLeftBehind }: Witness): Promise<boolean> {
    this.#inspectedAt = performance.now()
    return this.#own(statement, ({ code, text }) => {
      if (code === RAISED) onLeftBehind(this.role, text)
    })
  }

  /** What is left on a session stays there until somebody looks: to look now and then misses nothing. */
  get isDueForInspection(): boolean {
    return performance.now() - this.#inspectedAt > INSPECT_EVERY_MS
  }

  /** Runs a statement of the pool's own between two loans. */
  async #own(statement: string, onError: (error: ReturnType<typeof readError>) => void): Promise<boolean> {
    const isClean = await new Promise<boolean>((finished) => {
      let hasFailed = false
      this.lend({
        onClose: () => finished(false),
        onFrames: (frames) => {
          for (const { type, body } of frames) {
            if (type === 'E') {
              hasFailed = true
              onError(readError(body))
            }
            if (type === 'Z') finished(!hasFailed && body.toString('latin1') === 'I')
          }
        },
      })
      this.#socket.write(message('Q', cString(statement)))
    })
    this.#borrower = undefined
    if (!isClean) this.destroy()
    return isClean
  }

  /** Asks Postgres to stop what this connection runs (CancelRequest travels on a connection of its own). */
  cancel(): void {
    const socket = connect(this.#port, '127.0.0.1', () => socket.end(cancelMessage(this.#cancelKey)))
    socket.on('error', () => socket.destroy())
  }

  destroy(): void {
    this.#borrower = undefined
    this.#socket.destroy()
  }

  /** Ends an idle session politely. */
  end(): void {
    this.#socket.end(message('X'))
  }

  #receive(chunk: Buffer): void {
    try {
      const frames = this.#reader.read(chunk)
      if (frames.length > 0) this.#borrower?.onFrames(frames)
    } catch {
      this.#socket.destroy()
    }
  }

  #closed(): void {
    this.#isClosed = true
    this.#borrower?.onClose()
  }
}

export async function openServerConnection(
  role: string,
  password: string,
  upstream: Upstream,
): Promise<ServerConnection> {
  const socket = connect({ port: upstream.port, host: '127.0.0.1', noDelay: true })
  try {
    const login = await logIn(socket, role, password, upstream)
    socket.removeAllListeners()
    socket.setTimeout(0)
    socket.on('error', () => socket.destroy())
    return new ServerConnection(role, upstream, socket, login)
  } catch (error) {
    socket.destroy()
    throw error
  }
}

type Login = { readonly parameters: Buffer[]; cancelKey: Buffer }

function logIn(socket: Socket, role: string, password: string, upstream: Upstream): Promise<Login> {
  const login: Login = { parameters: [], cancelKey: Buffer.alloc(0) }
  const reader = new FrameReader()
  const scram = beginScram(password)
  return new Promise((ready, failed) => {
    socket.setTimeout(CONNECT_TIMEOUT_MS, () => failed(new Error('Postgres did not answer')))
    socket.on('error', failed)
    socket.on('close', () => failed(new Error('Postgres closed the connection')))
    socket.on('connect', () =>
      socket.write(startupMessage({ user: role, database: upstream.database, client_encoding: 'UTF8' })),
    )
    socket.on('data', (chunk: Buffer) => {
      const answerAll = async () => {
        for (const frame of reader.read(chunk)) {
          if (frame.type === 'Z') return ready(login)
          await answer(socket, frame, scram, login)
        }
      }
      answerAll().catch(failed)
    })
  })
}

async function answer(socket: Socket, { type, body, bytes }: Frame, scram: ScramExchange, login: Login): Promise<void> {
  if (type === 'E') throw new Error(readError(body).text)
  if (type === 'S') login.parameters.push(Buffer.from(bytes))
  if (type === 'K') login.cancelKey = Buffer.from(body)
  if (type !== 'R') return
  const kind = body.readInt32BE(0)
  const text = body.subarray(4).toString('utf8')
  if (kind === AUTH.sasl) {
    socket.write(
      message('p', cString(scram.mechanism), int32(Buffer.byteLength(scram.first)), Buffer.from(scram.first)),
    )
  } else if (kind === AUTH.saslContinue) {
    socket.write(message('p', Buffer.from(await scram.final(text))))
  } else if (kind === AUTH.saslFinal) {
    if (!scram.isServerProven(text)) throw new Error('the server does not know the password')
  } else if (kind !== AUTH.ok) {
    throw new Error(`authentication method ${kind} is not supported`)
  }
}
