import fc from 'fast-check'
import { beforeAll, describe, expect, it } from 'vitest'
import {
  formatSignerKey,
  formatVkey,
  generateSigner,
  type NoteSigner,
  openNote,
  parseSignerKey,
  parseVkey,
  signNote,
} from './signed-note.ts'

fc.configureGlobal({ seed: 20261124 })

const TEXT = 'first line\n\nthird line, after a blank one\n'
let signer: NoteSigner
let witness: NoteSigner
let note: string

beforeAll(async () => {
  signer = await generateSigner('flarewatch.test/log')
  witness = await generateSigner('witness.test')
  note = await signNote(TEXT, [signer])
})

describe('a signed note', () => {
  it('opens for whoever knows the key, whoever else has signed (L4)', async () => {
    const opened = { ok: true, value: { text: TEXT, signedBy: [signer.name] } }
    expect(await openNote(note, [signer])).toEqual(opened)
    const cosigned = await signNote(TEXT, [witness, signer])
    expect(await openNote(cosigned, [signer])).toEqual(opened)
    expect(await openNote(cosigned, [signer, witness])).toMatchObject({
      value: { signedBy: [witness.name, signer.name] },
    })
  })

  it('says so when no known key has signed', async () => {
    expect(await openNote(note, [witness])).toEqual({ ok: false, code: 'signature_missing' })
    expect(await openNote(note, [])).toEqual({ ok: false, code: 'signature_missing' })
  })

  it('is condemned by one wrong signature of a known key', async () => {
    const other = await signNote('other text\n', [signer])
    const forged = `${note}${other.slice(other.indexOf('\u2014'))}`
    expect(await openNote(forged, [signer])).toEqual({ ok: false, code: 'signature_invalid' })
  })

  it('never opens to another text, whatever one character becomes', async () => {
    await fc.assert(
      fc.asyncProperty(fc.nat(), fc.constantFrom('\n', 'A', ' ', '\u2014', '\r', '='), async (offset, character) => {
        const at = offset % note.length
        const changed = note.slice(0, at) + character + note.slice(at + 1)
        const opened = await openNote(changed, [signer])
        if (opened.ok) expect(opened.value.text).toBe(TEXT)
        if (changed !== note) expect(opened.ok).toBe(false)
      }),
      { numRuns: 300 },
    )
  })

  it.each([
    ['empty', ''],
    ['without signatures', TEXT],
    ['with a blank line at its end', `${TEXT}\n\n`],
    ['with a line that is no signature', `${TEXT}\nhello\n`],
    ['with too short a signature', `${TEXT}\n\u2014 name AAAAAA==\n`],
    ['without a newline at its end', `${TEXT}\n\u2014 name AAAAAAAAAAAA`],
    ['with a carriage return', `a\r\n\n\u2014 name AAAAAAAAAAAA\n`],
    ['with too many signatures', `${TEXT}\n${'\u2014 name AAAAAAAAAAAA\n'.repeat(101)}`],
    ['too long', `${'x'.repeat(70_000)}\n\n\u2014 name AAAAAAAAAAAA\n`],
  ])('%s is malformed', async (_, text) => {
    expect(await openNote(text, [signer])).toEqual({ ok: false, code: 'note_malformed' })
  })

  it('is not made of a text that it cannot hold', async () => {
    for (const text of ['', 'no newline', 'a\tb\n', 'a\r\n', '\ud800\n']) {
      await expect(signNote(text, [signer])).rejects.toThrow(RangeError)
    }
  })
})

describe('the texts of keys', () => {
  it('come back as they went', async () => {
    expect(await parseSignerKey(formatSignerKey(signer))).toEqual({ ok: true, value: signer })
    const { name, publicKey } = signer
    expect(parseVkey(formatVkey(signer))).toEqual({ ok: true, value: { name, publicKey } })
  })

  it('are those of other tools: the example of Go’s note package, and the checksum database’s key (L4)', async () => {
    const vkey = 'PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW'
    const key = 'PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz'
    const text = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n"
    const signed = `${text}
\u2014 PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=
`
    const [neumann, verifier] = [await parseSignerKey(key), parseVkey(vkey)]
    if (!neumann.ok || !verifier.ok) throw new Error('a key did not parse')
    expect(formatVkey(neumann.value)).toBe(vkey)
    expect(await signNote(text, [neumann.value])).toBe(signed)
    expect(await openNote(signed, [verifier.value])).toEqual({ ok: true, value: { text, signedBy: ['PeterNeumann'] } })
    expect(parseVkey('sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8').ok).toBe(true)
  })

  it('are refused with any character changed', async () => {
    for (const text of [formatVkey(signer), formatSignerKey(signer)]) {
      for (let at = 0; at < text.length; at++) {
        const changed = `${text.slice(0, at)}${text[at] === 'x' ? 'y' : 'x'}${text.slice(at + 1)}`
        expect(parseVkey(changed).ok).toBe(false)
        expect((await parseSignerKey(changed)).ok).toBe(false)
      }
    }
  })

  it('have names without white space or plus', async () => {
    for (const name of ['', 'a b', 'a+b', 'a\nb', 'a\u00a0b', 'x'.repeat(256)]) {
      await expect(generateSigner(name)).rejects.toThrow(RangeError)
    }
  })
})
