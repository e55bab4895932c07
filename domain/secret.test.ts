import { inspect } from 'node:util'
import { describe, expect, it } from 'vitest'
import { utf8 } from './bytes.ts'
import { Secret } from './secret.ts'

const TEXT = 'cfut_marker-that-must-not-be-seen-9f3a'

describe('a secret', () => {
  it('shows itself in no text that is made of it (V5)', () => {
    const secret = Secret.fromText(TEXT)
    const texts = [String(secret), `${secret}`, JSON.stringify({ secret })]
    for (const symbol of ['nodejs.util.inspect.custom', 'Deno.customInspect']) {
      texts.push(Reflect.get(secret, Symbol.for(symbol)).call(secret))
    }
    for (const depth of [0, null])
      texts.push(inspect(secret, { depth, showHidden: true }), inspect({ secret }, { depth }))
    for (const text of texts) {
      expect(text).not.toContain('marker')
      expect(text).toContain('[secret]')
    }
    // Its own fields, for whoever goes round all of that.
    expect(JSON.stringify(Object.entries(secret))).not.toContain('marker')
  })

  it('cannot be cloned, and so not be posted, queued or passed by RPC (V5)', () => {
    const secret = Secret.fromText(TEXT)
    for (const value of [secret, { secret }, [secret], new Map([['secret', secret]])]) {
      expect(() => structuredClone(value)).toThrow()
    }
    const { port1, port2 } = new MessageChannel()
    expect(() => port1.postMessage(secret)).toThrow()
    for (const port of [port1, port2]) port.close()
  })

  it('gives its text and bytes to one act alone', () => {
    const secret = Secret.fromBytes(utf8(TEXT))
    expect(secret.use((text, bytes) => [text, bytes.length])).toEqual([TEXT, TEXT.length])
  })

  it('zeroes the buffer that it was made of, and is gone then (V5)', () => {
    const buffer = utf8(TEXT)
    const secret = Secret.fromBytes(buffer)
    secret.zeroize()
    expect(buffer.every((byte) => byte === 0)).toBe(true)
    expect(() => secret.use((text) => text)).toThrow('zeroed')
  })

  it('shows four characters, and none of a short secret (V6)', () => {
    expect(Secret.fromText(TEXT).last4).toBe('9f3a')
    expect(Secret.fromText('short-secret').last4).toBe('****')
  })
})
