import { sha256 } from '@noble/hashes/sha2.js'
import {
  concat,
  equalConstantTime,
  fromBase64Url,
  lengthPrefixed,
  randomBytes,
  u32be,
  utf8,
  zeroize,
} from '../bytes.ts'
import { failure, type Result, success } from '../result.ts'
import { hkdf, KEY_BYTES } from './primitives.ts'

export type Kek = { readonly version: number; readonly bytes: Uint8Array }

const BASE64URL_LENGTH = 43
const MAX_VERSION = 0xffffffff
const CHECK_INFO = utf8('flarewatch/kek-check/v1')
const DEMO_LABEL = utf8('flarewatch demo kek')
const DEMO_RANDOM_BYTES = 24

export function parseKek(version: number, text: string): Result<Kek, 'kek_malformed'> {
  if (!Number.isInteger(version) || version < 1 || version > MAX_VERSION) return failure('kek_malformed')
  if (text.length !== BASE64URL_LENGTH) return failure('kek_malformed')
  const bytes = fromBase64Url(text)
  if (!bytes.ok) return failure('kek_malformed')
  // No generator yields one repeated byte; a placeholder does.
  if (bytes.value.every((byte) => byte === bytes.value[0])) return failure('kek_malformed')
  return success({ version, bytes: bytes.value })
}

/** Says whether a KEK is the one that rows were wrapped with, and nothing else about it. */
export function kekCheckValue(kek: Kek): Promise<Uint8Array> {
  return hkdf({ key: kek.bytes, info: lengthPrefixed(CHECK_INFO, u32be(kek.version)) })
}

export function generateKek(): Uint8Array {
  return randomBytes(KEY_BYTES)
}

/** A demo's key carries its mark in its own bytes, so that no operator's stack takes it, wherever it was copied to. */
export function generateDemoKek(): Uint8Array {
  const random = randomBytes(DEMO_RANDOM_BYTES)
  const kek = concat(random, demoMark(random))
  zeroize(random)
  return kek
}

export function isDemoKek(bytes: Uint8Array): boolean {
  if (bytes.length !== KEY_BYTES) return false
  return equalConstantTime(demoMark(bytes.subarray(0, DEMO_RANDOM_BYTES)), bytes.subarray(DEMO_RANDOM_BYTES))
}

function demoMark(random: Uint8Array): Uint8Array {
  return sha256(concat(DEMO_LABEL, random)).subarray(0, KEY_BYTES - DEMO_RANDOM_BYTES)
}
