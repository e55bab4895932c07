import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { equalConstantTime, toBase64Url } from '../../domain/bytes.ts'
import { generateDemoKek, isDemoKek, type Kek, parseKek } from '../../domain/envelope/kek.ts'
import { EXIT_CONFIGURATION, StackRefused } from '../supervisor/failure.ts'

export type KekSource = {
  readonly env: Readonly<Record<string, string | undefined>>
  readonly dir: string
  /** Whether a demo's KEK is accepted: by `npm run demo` and by tests alone. */
  readonly demo: boolean
}

type Found = { readonly version: number; readonly text: string; readonly where: string }

const MAKE_ONE = 'Make one: npx flarewatch keys generate'
const MAX_FILE_CHARACTERS = 4096

/** S2: every KEK that environment and DIR/secrets give, oldest version first. Reads only: a refusal leaves nothing behind. */
export function loadKeks(source: KekSource): [Kek, ...Kek[]] {
  const keks = new Map<number, Kek>()
  for (const found of [...inEnvironment(source.env), ...inFiles(source.dir)]) {
    const kek = parse(found, source.demo)
    const known = keks.get(kek.version)
    if (known !== undefined && !equalConstantTime(known.bytes, kek.bytes)) {
      throw refused(
        'kek_malformed',
        `KEK version ${kek.version} is given twice, in environment and file, and they differ.`,
      )
    }
    keks.set(kek.version, kek)
  }
  const [oldest, ...newer] = [...keks.values()].sort((a, b) => a.version - b.version)
  if (oldest === undefined) {
    throw refused(
      'kek_missing',
      `There is no KEK, neither in FLAREWATCH_KEK_V1 nor in ${join(source.dir, 'secrets')}. ${MAKE_ONE}`,
    )
  }
  return [oldest, ...newer]
}

/** A demo's KEK, made where there is no KEK at all. Its bytes say what it is, and so does the file. */
export function makeDemoKek(dir: string): void {
  const secrets = join(dir, 'secrets')
  if (existsSync(secrets) && readdirSync(secrets).some((name) => FILE_NAME.test(name))) return
  mkdirSync(secrets, { recursive: true, mode: 0o700 })
  const text = `# Demo key: accepted by npm run demo and tests alone\n${toBase64Url(generateDemoKek())}\n`
  writeFileSync(join(secrets, 'kek.v1'), text, { mode: 0o600, flag: 'wx' })
}

const VARIABLE_NAME = /^FLAREWATCH_KEK_V([1-9]\d{0,8})$/
const FILE_NAME = /^kek\.v([1-9]\d{0,8})$/

function inEnvironment(env: KekSource['env']): Found[] {
  return Object.entries(env).flatMap(([name, text]) => {
    const version = VARIABLE_NAME.exec(name)?.[1]
    return version === undefined || text === undefined
      ? []
      : [{ version: Number(version), text: text.trim(), where: name }]
  })
}

function inFiles(dir: string): Found[] {
  const secrets = join(dir, 'secrets')
  if (!existsSync(secrets)) return []
  return readdirSync(secrets).flatMap((name) => {
    const version = FILE_NAME.exec(name)?.[1]
    if (version === undefined) return []
    const where = join(secrets, name)
    return [{ version: Number(version), text: keyLine(readFileSync(where, 'utf8')), where }]
  })
}

/** The one line that is neither blank nor a comment; anything else is no key, and parsing says so. */
function keyLine(text: string): string {
  const lines = text.slice(0, MAX_FILE_CHARACTERS).split('\n')
  return lines
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('#'))
    .join(' ')
}

function parse({ version, text, where }: Found, demo: boolean): Kek {
  const kek = parseKek(version, text)
  if (!kek.ok) throw refused('kek_malformed', `${where} is not a KEK: base64url of 32 bytes is expected. ${MAKE_ONE}`)
  if (!demo && isDemoKek(kek.value.bytes)) {
    throw refused(
      'kek_demo',
      `${where} is a demo's KEK, which only npm run demo accepts. ${MAKE_ONE}, on a data directory of its own`,
    )
  }
  return kek.value
}

function refused(code: string, message: string): StackRefused {
  return new StackRefused(code, message, EXIT_CONFIGURATION)
}
