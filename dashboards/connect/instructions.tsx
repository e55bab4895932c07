import type { ReactNode } from 'react'
import type { Provider } from '../../domain/contracts/providers.ts'

export type ConnectHelp = {
  /** What the provider calls its keys. */
  readonly keyName: string
  /** What becomes of a key that was stored, as "zones". */
  readonly steps: readonly ReactNode[]
  /** How the overview's first page says what to bring. */
  readonly brings: string
}

/** How to make a key that only reads, by provider. */
export const CONNECT_HELP: { readonly [Name in Provider]: ConnectHelp } = {
  cloudflare: {
    keyName: 'API token',
    brings: 'zones become sites, with their traffic',
    steps: [
      <>
        In Cloudflare, open{' '}
        <ProviderLink href="https://dash.cloudflare.com/profile/api-tokens">My Profile, API Tokens</ProviderLink> and
        create a custom token.
      </>,
      <>
        Give it two permissions: <strong>Zone, Zone, Read</strong> and <strong>Zone, Analytics, Read</strong>, for the
        zones to show. Nothing that edits.
      </>,
      'Paste it here. A global API key is refused: it can do anything.',
    ],
  },
  stripe: {
    keyName: 'Restricted key',
    brings: 'an account becomes a site, with its revenue by day and its subscriptions',
    steps: [
      <>
        In Stripe, open{' '}
        <ProviderLink href="https://dashboard.stripe.com/apikeys/create?name=Flarewatch">
          Developers, API keys, Create restricted key
        </ProviderLink>
        .
      </>,
      <>
        Set <strong>Balance transaction sources</strong>, <strong>Subscriptions</strong> and <strong>Coupons</strong> to{' '}
        <strong>Read</strong> and leave every other permission at None. If your page offers to read the account itself,
        its name and time zone are taken from there. If you will have Stripe deliver webhooks, set{' '}
        <strong>Events</strong> to <strong>Read</strong> too.
      </>,
      <>
        Paste the key, which begins with <code>rk_</code>, here. A secret key (<code>sk_</code>) is refused unsent, and
        so is a restricted key that can change anything.
      </>,
    ],
  },
  resend: {
    keyName: 'API key',
    brings: 'domains become sites, with what became of their mail',
    steps: [
      <>
        In Resend, open <ProviderLink href="https://resend.com/api-keys">API Keys</ProviderLink> and create a key of its
        own for Flarewatch.
      </>,
      <>
        Give it the permission <strong>Full access</strong>. Resend has no key that can only read, so this one can also
        send mail and change domains. Flarewatch does neither by itself: it has a domain verified, or an address taken
        off the suppression list, when one of you asks for that. It marks the key as over-scoped. A key with{' '}
        <strong>Sending access</strong> is refused: it cannot read anything.
      </>,
      'Paste it here. What is read: domains, their DNS records, and counts by day. No mail, no subject, no recipient.',
    ],
  },
  supabase: {
    keyName: 'access token',
    brings: 'projects become sites, with the state of their databases',
    steps: [
      <>
        In Supabase, open{' '}
        <ProviderLink href="https://supabase.com/dashboard/account/tokens">Account, Access Tokens</ProviderLink> and
        generate a token for the projects to show.
      </>,
      <>
        Give it two permissions: <strong>Projects (account-wide), Read</strong> and <strong>Database, Read</strong>. The
        second reads every table, as the dashboard does; Flarewatch asks for sizes, counts and what the catalogue says
        alone. Failed calls of edge functions are shown if the token may read logs as well. A token with full access
        (“Legacy”) is taken too, but it may do everything that its user may: it is marked as over-scoped.
      </>,
      'Paste it here. A project’s own keys (secret, service_role, publishable, anon) are refused.',
    ],
  },
}

function ProviderLink({ href, children }: { readonly href: string; readonly children: ReactNode }) {
  return (
    <a href={href} target="_blank" rel="noreferrer">
      {children}
    </a>
  )
}

export function Instructions({ provider }: { readonly provider: Provider }) {
  return (
    <ol className="steps">
      {CONNECT_HELP[provider].steps.map((step, index) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: the steps of a provider never change their order
        <li key={index}>{step}</li>
      ))}
    </ol>
  )
}
