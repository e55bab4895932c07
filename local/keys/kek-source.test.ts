import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { toBase64Url } from '../../domain/bytes.ts'
import { generateDemoKek, generateKek } from '../../domain/envelope/kek.ts'
import { loadKeks, makeDemoKek } from './kek-source.ts'

let parent: string
let dir: string
const kekText = () => toBase64Url(generateKek())

beforeEach(() => {
  parent = mkdtempSync(join(tmpdir(), 'flarewatch-kek-'))
  dir = join(parent, 'data')
})
afterEach(() => rmSync(parent, { recursive: true }))

describe('S2: there is no default KEK', () => {
  test('without one it refuses, names the command that makes one, and writes nothing', () => {
    const refused = refusalOf({})
    expect(refused).toMatchObject({
      code: 'kek_missing',
      exit: 78,
      message: expect.stringContaining('flarewatch keys generate'),
    })
    expect(existsSync(dir)).toBe(false)
  })

  test.each(['', 'short', `${'A'.repeat(42)}=`, 'A'.repeat(43), '!'.repeat(43)])('%j is malformed', (text) => {
    expect(refusalOf({ FLAREWATCH_KEK_V1: text })).toMatchObject({ code: 'kek_malformed', exit: 78 })
  })

  test("a demo's KEK is refused wherever it comes from, and the refusal does not quote it", () => {
    const text = toBase64Url(generateDemoKek())
    const refused = refusalOf({ FLAREWATCH_KEK_V1: text })
    expect(refused).toMatchObject({ code: 'kek_demo', exit: 78 })
    expect(String(refused)).not.toContain(text)
    putFile('kek.v1', text)
    expect(refusalOf({})).toMatchObject({ code: 'kek_demo' })
  })
})

describe('where KEKs come from', () => {
  test('versions from environment and files are put together, oldest first', () => {
    putFile('kek.v2', `# made today\n\n${kekText()}\n`)
    putFile('kek.v10', kekText())
    putFile('kek.v1.bak', 'ignored')
    const keks = loadKeks({ env: { FLAREWATCH_KEK_V1: kekText(), PATH: '/bin' }, dir, demo: false })
    expect(keks.map(({ version }) => version)).toEqual([1, 2, 10])
  })

  test('one version with two different keys is refused; twice the same is one', () => {
    const text = kekText()
    putFile('kek.v1', text)
    expect(loadKeks({ env: { FLAREWATCH_KEK_V1: text }, dir, demo: false })).toHaveLength(1)
    expect(refusalOf({ FLAREWATCH_KEK_V1: kekText() })).toMatchObject({ code: 'kek_malformed' })
  })

  test('two keys in one file are no key', () => {
    putFile('kek.v1', `${kekText()}\n${kekText()}\n`)
    expect(refusalOf({})).toMatchObject({ code: 'kek_malformed' })
  })

  test('the demo makes a labelled one, for its owner alone, and only where there is none', () => {
    makeDemoKek(dir)
    const path = join(dir, 'secrets', 'kek.v1')
    const first = readFileSync(path, 'utf8')
    expect(first).toMatch(/^# Demo key: accepted by npm run demo and tests alone\n/)
    expect(statSync(path).mode & 0o777).toBe(0o600)
    makeDemoKek(dir)
    expect(readFileSync(path, 'utf8')).toBe(first)
    expect(loadKeks({ env: {}, dir, demo: true })).toHaveLength(1)
  })
})

function putFile(name: string, text: string): void {
  mkdirSync(join(dir, 'secrets'), { recursive: true })
  writeFileSync(join(dir, 'secrets', name), text)
}

function refusalOf(env: Record<string, string>): unknown {
  try {
    return loadKeks({ env, dir, demo: false })
  } catch (error) {
    return error
  }
}
