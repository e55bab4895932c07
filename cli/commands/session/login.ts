import { ConfigResponse } from '../../../domain/contracts/api.ts'
import { type Arguments, type Command, CommandRefused, EXIT } from '../../command.ts'
import { fetchJson } from '../../http.ts'
import { askPerson, readStdin } from '../../prompt.ts'
import { requireRunFile } from '../../run-file.ts'
import { fetchMe, saveSession, sessionPath } from '../../session.ts'
import { signInWithPassword, verifyTotp } from '../../sign-in.ts'

const PASSWORD_VARIABLE = 'FLAREWATCH_PASSWORD'
const LOOPBACK = /^(localhost|127\.0\.0\.1|\[::1\])$/

/** Password and second factor, always both: whatever the session is for then, AAL2 is what it needs. */
export const login: Command = {
  usage: 'flarewatch login [--email E] [--password-stdin] [--totp CODE] [--url GATEWAY]',
  summary: `sign in with password (asked for, or ${PASSWORD_VARIABLE}) and authenticator code`,
  options: {
    email: { type: 'string' },
    'password-stdin': { type: 'boolean' },
    totp: { type: 'string' },
    url: { type: 'string' },
  },
  positionals: 0,
  async run({ dir, values }: Arguments) {
    const address = await addressOf(dir, values.url)
    const email = text(values.email) ?? (await askPerson('Email: ', '--email'))
    const password = await passwordFrom(values['password-stdin'] === true)
    const { tokens, factorId } = await signInWithPassword(address, { email, password })
    const code = text(values.totp) ?? (await askPerson('Code from your authenticator: ', '--totp'))
    const session = { ...address, email, ...(await verifyTotp(address, tokens, { factorId, code })) }
    const { tenants } = await fetchMe(session)
    saveSession(dir, session)
    const path = sessionPath(dir)
    const lines = tenants.map(({ id, name, role }) => `  ${id}  ${name} (${role})`)
    return {
      document: { ok: true, email, gateway_url: address.gateway_url, tenants, path },
      text: [`Signed in as ${email}; the session is in ${path}`, ...lines].join('\n'),
      exit: EXIT.ok,
    }
  },
}

function text(value: string | boolean | undefined): string | undefined {
  return typeof value === 'string' ? value : undefined
}

/** A stack on DIR says where it is; any other deployment is found by its gateway. */
async function addressOf(dir: string, url: string | boolean | undefined) {
  if (typeof url !== 'string') {
    const { gateway_url, supabase_url, publishable_key } = requireRunFile(dir)
    return { gateway_url, supabase_url, publishable_key }
  }
  const gateway = URL.canParse(url) ? new URL(url) : null
  if (gateway === null || !isPrivateChannel(gateway)) {
    throw new CommandRefused('usage', '--url is an https address: a password goes there', EXIT.usage)
  }
  const config = await fetchJson(`${gateway.origin}/api/config`, {}, ConfigResponse)
  if (!isPrivateChannel(new URL(config.supabase_url))) {
    throw new CommandRefused('answer_invalid', `${gateway.origin} names a sign-in service without https`)
  }
  return { gateway_url: gateway.origin, ...config }
}

function isPrivateChannel({ protocol, hostname }: URL): boolean {
  return protocol === 'https:' || (protocol === 'http:' && LOOPBACK.test(hostname))
}

async function passwordFrom(stdin: boolean): Promise<string> {
  if (stdin) return readStdin()
  const variable = process.env[PASSWORD_VARIABLE]
  if (variable !== undefined) return variable
  return askPerson('Password: ', `--password-stdin or ${PASSWORD_VARIABLE}`, { hidden: true })
}
