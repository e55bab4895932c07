import { expect, test } from 'vitest'
import { MAX_EXPORT_LINE_CHARACTERS } from '../domain/audit/export.ts'
import { linesOf } from './lines.ts'

async function linesIn(...chunks: (string | number[])[]): Promise<string[]> {
  async function* bytes() {
    for (const chunk of chunks)
      yield typeof chunk === 'string' ? new TextEncoder().encode(chunk) : Uint8Array.from(chunk)
  }
  const lines: string[] = []
  for await (const line of linesOf(bytes())) lines.push(line)
  return lines
}

test('lines are the same however the bytes are cut', async () => {
  expect(await linesIn('a\nb', 'c\n\nd\n')).toEqual(['a', 'bc', '', 'd'])
  expect(await linesIn([0xe2, 0x80], [0x94, 0x0a])).toEqual(['\u2014'])
})

test('L6: no byte is passed over: what is not UTF-8, or has no newline, is no line', async () => {
  expect(await linesIn([0xef, 0xbb, 0xbf, 0x61, 0x0a])).toEqual(['\ufeffa'])
  expect(await linesIn([0x61, 0xff, 0x0a], 'b\n')).toEqual(['', 'b'])
  expect(await linesIn('a\n', [0xe2, 0x80])).toEqual(['a', ''])
  expect(await linesIn('a\nb')).toEqual(['a', ''])
})

test('a line without end is given up on', async () => {
  async function* endless() {
    for (;;) yield new Uint8Array(MAX_EXPORT_LINE_CHARACTERS).fill(0x78)
  }
  const lines: string[] = []
  for await (const line of linesOf(endless())) lines.push(line)
  expect(lines).toEqual([''])
})
