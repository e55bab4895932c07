import { Buffer } from 'node:buffer'
import { EventEmitter } from 'node:events'

/** What postgres.js tells a factory of sockets: one address is enough where Hyperdrive stands behind it. */
export type SocketTarget = { readonly host: readonly string[]; readonly port: readonly number[] }

/** What a read may bring at most. workerd's default is 4 KiB: a wake-up for every nine rows. */
const READ_BYTES = 256 * 1024

/**
 * A socket for postgres.js in workerd whose reader can be held back. The one that it brings has no `pause`, on which its COPY TO
 * STDOUT relies, and reads 4 KiB at a time.
 */
export class StreamingSocket extends EventEmitter {
  readonly #raw: Socket
  readonly #writer: WritableStreamDefaultWriter<Uint8Array>
  #flowing: Promise<void> = Promise.resolve()
  #resume: (() => void) | null = null
  readyState: 'open' | 'closed' = 'open'

  private constructor(raw: Socket) {
    super()
    this.#raw = raw
    this.#writer = raw.writable.getWriter()
    void this.#read(raw.readable.getReader({ mode: 'byob' }))
  }

  static async open({ host, port }: SocketTarget): Promise<StreamingSocket> {
    const { connect } = await import('cloudflare:sockets')
    const [hostname, first] = [host[0], port[0]]
    if (hostname === undefined || first === undefined) throw new RangeError('no address to connect to')
    return new StreamingSocket(connect({ hostname, port: first }))
  }

  /**
   * Whoever writes waits for an answer. postgres.js holds the reader back at a COPY's last bytes when its consumer is slow, and lets it go
   * only when more of the COPY is asked for: of one that has ended nobody asks.
   */
  write(bytes: Uint8Array, written?: () => void): boolean {
    this.resume()
    this.#writer.write(bytes).then(written, (error: unknown) => this.#fail(error))
    return true
  }

  end(bytes?: Uint8Array): void {
    const last = bytes === undefined ? Promise.resolve() : this.#writer.write(bytes)
    last.then(() => this.#raw.close()).catch((error: unknown) => this.#fail(error))
  }

  destroy(): void {
    this.end()
  }

  pause(): void {
    if (this.#resume !== null) return
    this.#flowing = new Promise((resume) => {
      this.#resume = resume
    })
  }

  resume(): void {
    this.#resume?.()
    this.#resume = null
  }

  async #read(reader: ReadableStreamBYOBReader): Promise<void> {
    try {
      for (;;) {
        await this.#flowing
        const { done, value } = await reader.read(new Uint8Array(READ_BYTES))
        if (done) return this.#close()
        this.emit('data', Buffer.from(value.buffer, value.byteOffset, value.byteLength))
      }
    } catch (error) {
      this.#fail(error)
    }
  }

  #fail(error: unknown): void {
    if (this.readyState === 'closed') return
    this.emit('error', error)
    this.#close()
  }

  #close(): void {
    if (this.readyState === 'closed') return
    this.readyState = 'closed'
    this.emit('close')
  }
}
