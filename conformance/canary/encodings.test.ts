import { randomBytes } from 'node:crypto'
import { expect, test } from 'vitest'
import { ENCODINGS } from './encodings.ts'
import { Scanner } from './scanner.ts'

const SECRET = Buffer.from('cfut_A"b\\c/d+e?f>g~0123456789')
const scanner = new Scanner([{ name: 'secret', bytes: SECRET }])
const NEIGHBOURS = [Buffer.alloc(0), Buffer.from('\xff', 'latin1'), Buffer.from('\xffz', 'latin1')]

test.each([0, 1, 2])('T2: base64 is found whatever stands before and behind (%d bytes before)', async (before) => {
  for (const behind of NEIGHBOURS) {
    const joined = Buffer.concat([Buffer.alloc(before, 0xfb), SECRET, behind])
    for (const text of [joined.toString('base64'), joined.toString('base64url')]) expect(await found(text)).toBe(true)
  }
})

test.each([
  ['raw', SECRET.toString('latin1')],
  ['hex', SECRET.toString('hex')],
  ['upper-case hex', SECRET.toString('hex').toUpperCase()],
  ['JSON', JSON.stringify({ secret: SECRET.toString('latin1') })],
  ['percent-encoded', new URLSearchParams({ secret: SECRET.toString('latin1') }).toString().replaceAll('%7E', '~')],
  ['UTF-16', Buffer.from(SECRET.toString('latin1'), 'utf16le').toString('latin1')],
])('T2: %s is found', async (_, text) => {
  expect(await found(text)).toBe(true)
})

test('a secret that is cut by the end of a chunk is found', async () => {
  for (let cut = 1; cut < SECRET.length; cut += 1) {
    const { hits } = await scanner.scan([Buffer.from('before '), SECRET.subarray(0, cut), SECRET.subarray(cut)])
    expect(hits).toHaveLength(1)
  }
})

test('nothing is found where nothing is', async () => {
  const { hits, bytes } = await scanner.scan([randomBytes(4096), SECRET.subarray(1)])
  expect(hits).toEqual([])
  expect(bytes).toBe(4096 + SECRET.length - 1)
})

test('each encoding has its own name', () => {
  expect(new Set(ENCODINGS).size).toBe(ENCODINGS.length)
})

async function found(text: string): Promise<boolean> {
  const { hits } = await scanner.scan([Buffer.from(`<${text}>`, 'latin1')])
  return hits.length > 0
}
