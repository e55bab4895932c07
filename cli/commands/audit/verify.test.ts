import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { z } from 'zod'

const CHECKOUT = join(import.meta.dirname, '../../..')
const Vectors = z.object({
  files: z.array(
    z.object({
      name: z.string(),
      lines: z.array(z.string()),
      trusted: z.string().nullable(),
      report: z.looseObject({ ok: z.boolean(), anchored: z.boolean() }),
    }),
  ),
})
const vectors = Vectors.parse(JSON.parse(readFileSync(join(CHECKOUT, 'conformance/vectors/export.json'), 'utf8')))
const folder = mkdtempSync(join(tmpdir(), 'flarewatch-verify-'))
afterAll(() => rmSync(folder, { recursive: true }))

describe('L6: audit verify', () => {
  test.each(vectors.files)('$name', ({ lines, trusted, report }) => {
    const { status, document } = verify(
      lines.map((line) => `${line}\n`).join(''),
      trusted === null ? [] : ['--trust', trusted],
    )
    expect(document).toEqual(report)
    expect(status).toBe(report.ok ? (report.anchored ? 0 : 3) : 1)
  })

  test('a file that is not there fails, and a key that is none is a usage error', () => {
    expect(run(join(folder, 'missing'))).toMatchObject({
      status: 1,
      document: { ok: false, error: { code: 'file_unreadable' } },
    })
    expect(verify('', ['--trust', 'not a key'])).toMatchObject({ status: 2, document: { error: { code: 'usage' } } })
  })

  test('a line without an end is malformed, not a memory that fills', () => {
    expect(verify('x'.repeat(3_000_000)).document).toMatchObject({ ok: false, failure: { code: 'line_malformed' } })
  })
})

function verify(text: string, args: readonly string[] = []) {
  const file = join(folder, 'export.ndjson')
  writeFileSync(file, text)
  return run(file, ...args)
}

function run(...args: string[]) {
  const { status, stdout } = spawnSync(
    process.execPath,
    [join(CHECKOUT, 'cli/flarewatch.mjs'), 'audit', 'verify', ...args, '--json'],
    { encoding: 'utf8' },
  )
  const document: unknown = JSON.parse(stdout)
  return { status, document }
}
