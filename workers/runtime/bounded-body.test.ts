import { expect, it } from 'vitest'
import { readBounded } from './bounded-body.ts'

const stream = (...chunks: number[]) =>
  new ReadableStream<Uint8Array>({
    start(controller) {
      for (const size of chunks) controller.enqueue(new Uint8Array(size).fill(7))
      controller.close()
    },
  })

it('reads a body up to the limit, and none at all as empty', async () => {
  expect(await readBounded(stream(3, 2), 5)).toEqual({ ok: true, value: new Uint8Array(5).fill(7) })
  expect(await readBounded(null, 5)).toEqual({ ok: true, value: new Uint8Array() })
})

it('refuses one byte more, and stops reading there', async () => {
  let pulled = 0
  const endless = new ReadableStream<Uint8Array>({
    pull(controller) {
      pulled += 1
      controller.enqueue(new Uint8Array(4))
    },
  })
  expect(await readBounded(endless, 10)).toEqual({ ok: false, code: 'request_too_large' })
  expect(pulled).toBeLessThan(6)
  expect(await readBounded(stream(3, 3), 5)).toEqual({ ok: false, code: 'request_too_large' })
})
