import { MAX_EXPORT_LINE_CHARACTERS } from '../domain/audit/export.ts'

/** Lines without their newline. One that is longer than any that the format allows ends the reading: it is malformed as it is. */
export async function* linesOf(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<string> {
  const decoder = new TextDecoder('utf-8', { ignoreBOM: true })
  let rest = ''
  for await (const chunk of chunks) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split('\n')
    rest = lines.pop() ?? ''
    yield* lines
    if (rest.length > MAX_EXPORT_LINE_CHARACTERS) break
  }
  rest += decoder.decode()
  if (rest !== '') yield rest
}
