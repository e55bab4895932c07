import { MAX_EXPORT_LINE_CHARACTERS } from '../domain/audit/export.ts'
import { concat } from '../domain/bytes.ts'

const NEWLINE = 0x0a
/** A character is at most three bytes a UTF-16 unit. */
const MAX_LINE_BYTES = 3 * MAX_EXPORT_LINE_CHARACTERS
/** Stands for a line that is no line: cut off, too long or not UTF-8. No export has an empty one, so it is judged malformed. */
const NO_LINE = ''

/** Lines without their newline, as strictly as the format has them: each ends in one, and each is UTF-8. */
export async function* linesOf(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<string> {
  let rest = new Uint8Array()
  for await (const chunk of chunks) {
    const bytes = concat(rest, chunk)
    let start = 0
    for (let end = bytes.indexOf(NEWLINE); end !== -1; end = bytes.indexOf(NEWLINE, start)) {
      yield textOf(bytes.subarray(start, end))
      start = end + 1
    }
    rest = bytes.slice(start)
    if (rest.length > MAX_LINE_BYTES) break
  }
  if (rest.length > 0) yield NO_LINE
}

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

function textOf(line: Uint8Array): string {
  try {
    return decoder.decode(line)
  } catch {
    return NO_LINE
  }
}
