import { beforeEach, describe, expect, test } from 'vitest'
import { type Random, seeded } from '../random.ts'
import { judge, judgeBySecond, missingPython, type Verdict } from './both-verifiers.ts'
import {
  ANOTHER_KEY,
  bytesOf,
  type Export,
  noteWithText,
  type RowLine,
  rechained,
  soundExport,
  TRUSTED,
  VECTORS,
} from './export-file.ts'

/**
 * L6: an outsider needs the file, the log's key and docs/formats.md. A verifier in another language, written from that
 * document alone, and ours are given the same files; whatever one of them forgives, the other is there to refuse.
 */
const ROWS = 11
const FLIPS = 8
const CUTS = 4
const FULL = process.env.FLAREWATCH_SCALE === 'full'
const NEWLINE = 0x0a

const absent = missingPython()
beforeEach((context) => context.skip(absent !== null, absent ?? ''))

describe('L6: both verifiers of an export agree', () => {
  test.each(VECTORS)('on the vector "$name"', async ({ lines, trusted, report }) => {
    const verdict = await agreed(linesToBytes(lines), trusted)
    expect(verdict).toEqual({ ...report, exit: exitOf(report) })
  })

  test('that a log signed by the trusted key is sound, and without the key only that it holds together', async () => {
    const bytes = bytesOf(soundExport(ROWS, seeded(1)))
    expect(await agreed(bytes, TRUSTED)).toMatchObject({ ok: true, rows: ROWS, anchored: true, failure: null, exit: 0 })
    expect(await agreed(bytes, null)).toMatchObject({ ok: true, rows: ROWS, anchored: false, failure: null, exit: 3 })
  })

  test('that a log signed by another key of the same name is not sound', async () => {
    const bytes = bytesOf(soundExport(ROWS, seeded(1), ANOTHER_KEY))
    expect(await agreed(bytes, TRUSTED)).toMatchObject(failing(ROWS, 'signature_missing'))
  })

  test.each(twentyForgeries())('on a forgery: $kind, seed $seed', async ({ forge, seed }) => {
    const random = seeded(seed)
    const { forged, failure } = forge(soundExport(ROWS, random), random)
    expect(await agreed(bytesOf(forged), TRUSTED)).toMatchObject(failing(failure.seq, failure.code))
  })

  test('that a rewrite with a note of its own passes for whoever pins no key, and for nobody else', async () => {
    const sound = soundExport(ROWS, seeded(2))
    const rows = rewritten(sound.rows, 3, seeded(3))
    const bytes = bytesOf({ ...sound, rows, note: noteWithText(rows, sound.note) })
    expect(await agreed(bytes, null)).toMatchObject({ ok: true, anchored: false, exit: 3 })
    expect(await agreed(bytes, TRUSTED)).toMatchObject(failing(ROWS, 'signature_invalid'))
  })
})

describe('L6: both verifiers refuse alike', () => {
  const sound = bytesOf(soundExport(2, seeded(4)))

  test.each(cuts(sound))('a file cut off after byte %i', async (length) => {
    const cut = sound.subarray(0, length)
    const lines = cut.toString().split('\n').length
    // The first line of an export is its header, so the row that would have come next has the number of lines before it.
    const failure =
      length === 0 ? { seq: 0, code: 'header_missing' } : { seq: Math.max(1, lines - 1), code: 'line_malformed' }
    expect(await agreed(cut, TRUSTED)).toMatchObject(failing(failure.seq, failure.code))
  })

  test.each(flips(sound))('a file whose byte %i has bit %i flipped', async (position, bit) => {
    expect(await agreed(flipped(sound, position, bit), TRUSTED)).toMatchObject({ ok: false, anchored: false, exit: 1 })
  })

  test.runIf(FULL)(
    'a small file with any one byte changed',
    async () => {
      const small = linesToBytes(VECTORS.find(({ name }) => name === 'of a log without rows')?.lines ?? [])
      const random = seeded(5)
      for (const position of asciiPositions(small)) {
        const verdict = await agreed(flipped(small, position, random(7)), TRUSTED)
        expect([position, verdict.ok]).toEqual([position, false])
      }
    },
    3_600_000,
  )
})

describe('L6: the second verifier takes the document at its word', () => {
  const sound = bytesOf(soundExport(3, seeded(6)))

  test('a last line without its newline is cut off', async () => {
    const verdict = await agreed(sound.subarray(0, -1), TRUSTED)
    expect(verdict).toMatchObject(failing(4, 'line_malformed'))
  })

  test('a byte that is no UTF-8 makes its line malformed, even in a field that nobody reads', async () => {
    const [header = '', ...rest] = sound.toString('latin1').split('\n')
    const bytes = Buffer.from([header.replace('{', '{"unread":"\xff",'), ...rest].join('\n'), 'latin1')
    expect(await agreed(bytes, TRUSTED)).toMatchObject(failing(1, 'line_malformed'))
  })

  test('values nested ever deeper, numbers of a thousand digits and a line without end are malformed, not fatal', async () => {
    const [header = '', row = '', ...rest] = sound.toString().split('\n')
    const hostile = [
      row.replace('{', `{"x":${'['.repeat(60_000)},`),
      row.replace('"seq":1', `"seq":${'1'.repeat(10_000)}`),
      row.replace('{', `{"x":"${'x'.repeat(3_000_000)}",`),
    ]
    for (const line of hostile) {
      const verdict = await judgeBySecond(Buffer.from([header, line, ...rest].join('\n')), TRUSTED)
      expect(verdict).toMatchObject(failing(1, 'line_malformed'))
    }
  })
})

type Failure = { readonly seq: number; readonly code: string }
type Forge = (sound: Export, random: Random) => { readonly forged: Export; readonly failure: Failure }

/** Five kinds, each by four seeds. Each says at which row, and why, a verifier must stop. */
const FORGERIES: Record<string, Forge> = {
  'a row edited': (sound, random) => {
    const index = random(ROWS)
    const rows = sound.rows.map((row, at) => (at === index ? edited(row, random) : row))
    return { forged: { ...sound, rows }, failure: { seq: index + 1, code: 'hash_mismatch' } }
  },
  'a row deleted': (sound, random) => {
    const index = random(ROWS - 1)
    const rows = sound.rows.filter((_, at) => at !== index)
    return { forged: { ...sound, rows }, failure: { seq: index + 1, code: 'sequence_gap' } }
  },
  'two rows swapped': (sound, random) => {
    const first = random(ROWS - 1)
    const second = first + 1 + random(ROWS - 1 - first)
    const rows = sound.rows.map((row, at) => sound.rows[at === first ? second : at === second ? first : at] ?? row)
    return { forged: { ...sound, rows }, failure: { seq: first + 1, code: 'sequence_gap' } }
  },
  'the tail cut off': (sound, random) => {
    const kept = 1 + random(ROWS - 1)
    return { forged: { ...sound, rows: sound.rows.slice(0, kept) }, failure: { seq: kept, code: 'size_mismatch' } }
  },
  'rewritten, with all hashes recomputed': (sound, random) => {
    const rows = rewritten(sound.rows, random(ROWS), random)
    return { forged: { ...sound, rows }, failure: { seq: ROWS, code: 'chain_head_mismatch' } }
  },
}

function twentyForgeries() {
  return Object.entries(FORGERIES).flatMap(([kind, forge], index) =>
    [1, 2, 3, 4].map((nth) => ({ kind, forge, seed: 100 * (index + 1) + nth })),
  )
}

function rewritten(rows: readonly RowLine[], index: number, random: Random): RowLine[] {
  return rechained(
    rows.map((row, at) => (at === index ? edited(row, random) : row)),
    index,
  )
}

function edited(row: RowLine, random: Random): RowLine {
  const field = (['actor_tag', 'action_tag', 'target_tag', 'sealed'] as const)[random(4)] ?? 'sealed'
  const bytes = Buffer.from(row[field], 'base64')
  const position = random(bytes.length)
  bytes.writeUInt8(bytes.readUInt8(position) ^ (1 + random(255)), position)
  return { ...row, [field]: bytes.toString('base64') }
}

/** Cuts within a line; between two of them the lines are whole, and what is missing is the checkpoint. */
function cuts(bytes: Buffer): number[] {
  const random = seeded(7)
  const within = Array.from({ length: 20 * CUTS }, () => random(bytes.length)).filter(
    (length) => bytes[length] !== NEWLINE && bytes[length - 1] !== NEWLINE,
  )
  return [0, ...within.slice(0, CUTS)]
}

function flips(bytes: Buffer): [position: number, bit: number][] {
  const random = seeded(8)
  const positions = asciiPositions(bytes)
  return Array.from({ length: FLIPS }, () => [positions[random(positions.length)] ?? 0, random(7)])
}

/** Whatever the seven low bits of such a byte become, the file stays UTF-8. */
function asciiPositions(bytes: Buffer): number[] {
  return [...bytes.keys()].filter((position) => bytes.readUInt8(position) < 0x80)
}

function flipped(bytes: Buffer, position: number, bit: number): Buffer {
  const copy = Buffer.from(bytes)
  copy.writeUInt8(copy.readUInt8(position) ^ (1 << bit), position)
  return copy
}

function linesToBytes(lines: readonly string[]): Buffer {
  return Buffer.from(lines.map((line) => `${line}\n`).join(''))
}

/** What both say, to the last field; a disagreement shows both. */
async function agreed(bytes: Buffer, trusted: string | null): Promise<Verdict> {
  const { ours, second } = await judge(bytes, trusted)
  expect(second).toEqual(ours)
  return second
}

function failing(seq: number, code: string) {
  return { ok: false, anchored: false, failure: { seq, code }, exit: 1 }
}

function exitOf({ ok, anchored }: { readonly ok: boolean; readonly anchored: boolean }): number {
  if (!ok) return 1
  return anchored ? 0 : 3
}
