import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { z } from 'zod'
import type { RunFile } from '../run-file.ts'
import type { KnownSecret } from './scanner.ts'

const Requests = z.object({ requests: z.array(z.object({ authorization: z.string().default('') })) })

/** Every key that a simulated provider was shown: what tenants stored, and markers that it refused. */
export async function providerTokens(run: RunFile): Promise<KnownSecret[]> {
  const providers = Object.keys(run.simulators).filter((name) => name !== 'mail')
  const shown = await Promise.all(providers.map((provider) => keysShownTo(run, provider)))
  return shown.flat()
}

async function keysShownTo(run: RunFile, provider: string): Promise<KnownSecret[]> {
  const simulator = run.simulators[provider]
  if (simulator === undefined) return []
  const response = await fetch(`${simulator.control_url}/requests?authorization=shown`)
  const { requests } = Requests.parse(await response.json())
  const keys = new Set(requests.map(({ authorization }) => authorization.replace(/^Bearer /, '')).filter(Boolean))
  return [...keys].map((key, index) => secret(`${provider} key ${index + 1}`, key))
}

const SIGNING_PROVIDERS = ['stripe', 'resend'] as const
const Webhooks = z.object({ webhooks: z.array(z.object({ secret: z.string() })) })

/** What a simulated provider signs its webhooks with, as the tenants who gave it an address had it from there. */
export async function signingSecrets(run: RunFile): Promise<KnownSecret[]> {
  const held = await Promise.all(SIGNING_PROVIDERS.map((provider) => signingSecretsOf(run, provider)))
  return held.flat()
}

async function signingSecretsOf(run: RunFile, provider: string): Promise<KnownSecret[]> {
  const simulator = run.simulators[provider]
  if (simulator === undefined) return []
  const response = await fetch(`${simulator.control_url}/webhooks?secret=shown`)
  const { webhooks } = Webhooks.parse(await response.json())
  return webhooks.map((webhook, index) => secret(`${provider} signing secret ${index + 1}`, webhook.secret))
}

const Jwk = z.object({ d: z.string() })

/** KEKs, and what console logins and invitations are derived from. */
const SYMMETRIC_KEY_FILE = /^(kek\.v\d+|console-login\.key|invitation\.key)$/

/** Keys that are in DIR/secrets and nowhere else, as text and as the bytes that the text stands for. */
export function ownKeys(dir: string, env: Readonly<Record<string, string | undefined>>): KnownSecret[] {
  const secrets = join(dir, 'secrets')
  const symmetric = readdirSync(secrets)
    .filter((name) => SYMMETRIC_KEY_FILE.test(name))
    .map((name) => [`key ${name}`, keyLine(readFileSync(join(secrets, name), 'utf8'))] as const)
  const fromEnvironment = Object.entries(env)
    .filter(([name]) => /^FLAREWATCH_KEK_V\d+$/.test(name))
    .map(([name, text]) => [`KEK ${name}`, text ?? ''] as const)
  const resend = Object.entries(env)
    .filter(([name]) => name === 'FLAREWATCH_RESEND_API_KEY')
    .map(([name, text]) => [name, text ?? ''] as const)
  return [...symmetric, ...fromEnvironment, ...resend, ...serviceKey(secrets)].flatMap(([name, text]) =>
    keyForms(name, text),
  )
}

function serviceKey(secrets: string): (readonly [string, string])[] {
  try {
    const { d } = Jwk.parse(JSON.parse(readFileSync(join(secrets, 'edge-service.jwk.json'), 'utf8')))
    return [['edge service key', d]]
  } catch {
    // A stack whose functions run elsewhere has no such file.
    return []
  }
}

function keyForms(name: string, text: string): KnownSecret[] {
  if (text === '') return []
  return [secret(name, text), { name: `${name} (bytes)`, bytes: Buffer.from(text, 'base64url') }]
}

function keyLine(file: string): string {
  return (
    file
      .split('\n')
      .find((line) => line.trim() !== '' && !line.startsWith('#'))
      ?.trim() ?? ''
  )
}

export function secret(name: string, text: string): KnownSecret {
  return { name, bytes: Buffer.from(text, 'latin1') }
}
