import { ConfigResponse } from '../../../domain/contracts/api.ts'
import { type Arguments, type Command, CommandRefused, EXIT } from '../../command.ts'
import { sessionByBrowser } from '../../device-login.ts'
import { fetchJson } from '../../http.ts'
import { askPerson, readStdin } from '../../prompt.ts'
import { requireRunFile } from '../../run-file.ts'
import { fetchMe, saveSession, sessionPath } from '../../session.ts'
import { type AuthAddress, signInWithPassword, type Tokens, verifyTotp } from '../../sign-in.ts'

const PASSWORD_VARIABLE = 'FLAREWATCH_PASSWORD'
const LOOPBACK = /^(localhost|127\.0\.0\.1|\[::1\])$/

/** At AAL2 always, whichever way: whatever the session is for then, it is what it needs. */
export const login: Command = {
  usage:
    'flarewatch login [--no-browser] [--url GATEWAY] | login --email E [--password-stdin] [--totp CODE] [--url GATEWAY]',
  summary: `sign in on a page of the dashboard; or, with --email, by password (asked for, or ${PASSWORD_VARIABLE}) and authenticator code`,
  options: {
    email: { type: 'string' },
    'no-browser': { type: 'boolean' },
    'password-stdin': { type: 'boolean' },
    totp: { type: 'string' },
    url: { type: 'string' },
  },
  positionals: 0,
  async run({ dir, values }: Arguments) {
    const way = wayOf(values)
    const address = await addressOf(dir, values.url)
    const tokens = way === 'typed' ? await typedIn(address, values) : await letIn(address, way)
    const { user, tenants } = await fetchMe({ ...address, ...tokens, email: '' })
    // What came by way of the page is taken at nobody's word but that of the token itself.
    if (user.aal !== 'aal2') throw new CommandRefused('aal2_required', 'The session that came has no second factor')
    const { email } = user
    saveSession(dir, { ...address, ...tokens, email })
    const path = sessionPath(dir)
    const lines = tenants.map(({ id, name, role }) => `  ${id}  ${name} (${role})`)
    return {
      document: { ok: true, email, gateway_url: address.gateway_url, tenants, path },
      text: [`Signed in as ${email}; the session is in ${path}`, ...lines].join('\n'),
      exit: EXIT.ok,
    }
  },
}

type Values = Arguments['values']
type Way = 'typed' | 'printed' | 'opened'

/** What is typed here is for where no person with a browser is; who gives a part of it means that. */
function wayOf(values: Values): Way {
  const typed = ['email', 'password-stdin', 'totp'].some((name) => values[name] !== undefined)
  if (typed && values['no-browser'] === true) {
    throw new CommandRefused('usage', '--no-browser prints a page’s address; with --email no page is used', EXIT.usage)
  }
  if (typed) return 'typed'
  if (values['no-browser'] === true) return 'printed'
  if (process.stderr.isTTY) return 'opened'
  const message =
    'There is no terminal to show a code on. Unattended: flarewatch login --email E --password-stdin --totp CODE. ' +
    'With --no-browser the page’s address and the code are printed all the same'
  throw new CommandRefused('not_a_terminal', message, EXIT.usage)
}

function letIn({ gateway_url }: { readonly gateway_url: string }, way: Way): Promise<Tokens> {
  return sessionByBrowser(new URL(gateway_url).origin, { open: way === 'opened' })
}

async function typedIn(address: AuthAddress, values: Values): Promise<Tokens> {
  const email = text(values.email) ?? (await askPerson('Email: ', '--email'))
  const password = await passwordFrom(values['password-stdin'] === true)
  const { tokens, factorId } = await signInWithPassword(address, { email, password })
  const code = text(values.totp) ?? (await askPerson('Code from your authenticator: ', '--totp'))
  return verifyTotp(address, tokens, { factorId, code })
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
