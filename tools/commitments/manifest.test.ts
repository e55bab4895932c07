import { appendFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeEach, describe, expect, test } from 'vitest'
import { MANIFEST_FILE, manifestDrift, manifestOf } from './manifest.ts'

const root = mkdtempSync(join(tmpdir(), 'flarewatch-manifest-'))
const record = join(root, 'adr', '0001-keys.md')
afterAll(() => rmSync(root, { recursive: true, force: true }))
beforeEach(() => {
  rmSync(join(root, 'adr'), { recursive: true, force: true })
  mkdirSync(join(root, 'adr'))
  writeFileSync(record, '# 0001 Keys\n')
  writeFileSync(join(root, 'adr', 'README.md'), 'not a record\n')
  writeFileSync(join(root, MANIFEST_FILE), manifestOf(root))
})

describe('the manifest of decision records', () => {
  test('D1: lists each record by its hash, and says that nobody signed it', () => {
    expect(manifestOf(root)).toMatch(/^flarewatch .+\nsignature: unsigned\n\n[0-9a-f]{64} {2}0001-keys\.md\n$/)
    expect(manifestDrift(root)).toEqual([])
  })

  test('D1: differs from a record that was changed, added or removed', () => {
    appendFileSync(record, 'One more sentence.\n')
    expect(manifestDrift(root)).toHaveLength(2)
    rmSync(record)
    expect(manifestDrift(root)).toEqual([expect.stringContaining('0001-keys.md')])
    writeFileSync(join(root, 'adr', '0002-more.md'), '# 0002\n')
    expect(manifestDrift(root).join()).toContain('lacks')
  })

  test('D1: that is missing, or claims a signature, is drift', () => {
    writeFileSync(join(root, MANIFEST_FILE), manifestOf(root).replace('unsigned', 'by the founder'))
    expect(manifestDrift(root).join()).toContain('signature: unsigned')
    rmSync(join(root, MANIFEST_FILE))
    expect(manifestDrift(root)).not.toEqual([])
  })
})
