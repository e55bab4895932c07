import { utf8, zeroize } from './bytes.ts'

const HIDDEN = '[secret]'
const SHOWN_CHARACTERS = 4
/** A text shorter than this would give too much of itself away by four characters. */
const SHORTEST_SHOWN = 16

/** A plaintext secret that no log, JSON or string template shows by accident (V5). */
export class Secret {
  /** A symbol cannot be cloned: structured clone, and with it `postMessage`, RPC and queues, throws instead of passing the secret on. */
  readonly uncloneable = Symbol('secret')
  readonly #bytes: Uint8Array
  readonly #last4: string
  #gone = false

  private constructor(bytes: Uint8Array, last4: string) {
    this.#bytes = bytes
    this.#last4 = last4
  }

  static fromText(text: string): Secret {
    return new Secret(utf8(text), shownPart(text))
  }

  /** Takes the buffer over: it is zeroed with the secret. */
  static fromBytes(bytes: Uint8Array): Secret {
    return new Secret(bytes, shownPart(new TextDecoder().decode(bytes)))
  }

  /** All that may ever be shown (V6). It outlives the secret. */
  get last4(): string {
    return this.#last4
  }

  /** The string lives until collection; the bytes until `zeroize`. Neither may be kept by `act`. */
  use<Answer>(act: (text: string, bytes: Uint8Array) => Answer): Answer {
    if (this.#gone) throw new Error('the secret has been zeroed')
    return act(new TextDecoder().decode(this.#bytes), this.#bytes)
  }

  zeroize(): void {
    zeroize(this.#bytes)
    this.#gone = true
  }

  toString(): string {
    return HIDDEN
  }

  toJSON(): string {
    return HIDDEN
  }

  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return HIDDEN
  }

  [Symbol.for('Deno.customInspect')](): string {
    return HIDDEN
  }
}

function shownPart(text: string): string {
  return text.length < SHORTEST_SHOWN ? '*'.repeat(SHOWN_CHARACTERS) : text.slice(-SHOWN_CHARACTERS)
}
