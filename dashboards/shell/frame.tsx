'use client'

import Link from 'next/link'
import { usePathname, useRouter } from 'next/navigation'
import { type ReactNode, useRef } from 'react'
import { CreateAgency } from '../connect/create-agency.tsx'
import { IncidentBanner } from '../incidents/incident-banner.tsx'
import { BreachBanner } from '../proof/breach-banner.tsx'
import { LogCheckProvider } from '../proof/log-check-provider.tsx'
import { useSession } from '../session/session.tsx'
import { ViewingOnly } from '../session/viewing-only.tsx'
import { useWorkspace } from '../session/workspace.tsx'
import { AuditFooter } from './audit-footer.tsx'
import { HelpDialog } from './help.tsx'
import { FailureNotice } from './notice.tsx'
import { useShortcuts } from './shortcuts.ts'
import { ThemeToggle } from './theme.tsx'

const PAGES = [
  { href: '/', label: 'Overview' },
  { href: '/credentials/', label: 'Credentials' },
  { href: '/members/', label: 'Members' },
  { href: '/console/', label: 'Console' },
  { href: '/audit/', label: 'Audit' },
  { href: '/incidents/', label: 'Incidents' },
] as const

/** An invitation is accepted, recovery codes are made and a command line is signed in also by who has no agency yet. */
const WITHOUT_AGENCY: ReadonlySet<string> = new Set(['/join', '/login/device', '/security'])

export function SignedOutFrame({ children }: { readonly children: ReactNode }) {
  return (
    <>
      <header className="top">
        <span className="brand">Flarewatch</span>
        <div className="top-end">
          <ThemeToggle />
        </div>
      </header>
      <main id="main" tabIndex={-1} className="page page-narrow">
        {children}
      </main>
    </>
  )
}

export function SignedInFrame({ children }: { readonly children: ReactNode }) {
  const { account, tenant } = useWorkspace()
  const help = useRef<HTMLDialogElement>(null)
  const router = useRouter()
  useShortcuts({
    'g o': () => router.push('/'),
    'g c': () => router.push('/credentials/'),
    'g m': () => router.push('/members/'),
    'g s': () => router.push('/console/'),
    'g a': () => router.push('/audit/'),
    'g i': () => router.push('/incidents/'),
    '?': () => help.current?.showModal(),
  })
  return (
    <LogCheckProvider>
      <header className="top">
        <span className="brand">Flarewatch</span>
        {tenant !== null && <PageLinks />}
        <div className="top-end">
          <TenantName />
          <ThemeToggle />
          <button
            type="button"
            className="button button-quiet"
            aria-label="Keyboard shortcuts"
            title="Keyboard shortcuts (?)"
            onClick={() => help.current?.showModal()}
          >
            ?
          </button>
          <AccountMenu email={account.email} />
        </div>
      </header>
      <BreachBanner />
      <IncidentBanner />
      {account.aal === 'aal1' && <ViewingOnly />}
      <main id="main" tabIndex={-1} className="page">
        <TenantGate>{children}</TenantGate>
      </main>
      {tenant !== null && <AuditFooter />}
      <HelpDialog dialog={help} />
    </LogCheckProvider>
  )
}

function PageLinks() {
  const path = usePathname()
  return (
    <nav aria-label="Pages" className="pages">
      {PAGES.map(({ href, label }) => (
        <Link key={href} href={href} aria-current={withSlash(path) === href ? 'page' : undefined}>
          {label}
        </Link>
      ))}
    </nav>
  )
}

function withSlash(path: string): string {
  return path.endsWith('/') ? path : `${path}/`
}

function TenantName() {
  const { tenants, tenant, selectTenant } = useWorkspace()
  const ready = tenants?.filter(({ state }) => state === 'active') ?? []
  if (tenant === null) return null
  if (ready.length < 2) return <span className="tenant">{tenant.name}</span>
  return (
    <select
      className="input tenant"
      aria-label="Agency"
      value={tenant.id}
      onChange={({ target }) => {
        const chosen = ready.find(({ id }) => id === target.value)
        if (chosen !== undefined) selectTenant(chosen.id)
      }}
    >
      {ready.map(({ id, name }) => (
        <option key={id} value={id}>
          {name}
        </option>
      ))}
    </select>
  )
}

function AccountMenu({ email }: { readonly email: string }) {
  const { signOut } = useSession()
  return (
    <>
      <span className="account" title={email}>
        {email}
      </span>
      <Link href="/security/" className="button button-quiet">
        Security
      </Link>
      <button type="button" className="button button-quiet" onClick={signOut}>
        Sign out
      </button>
    </>
  )
}

/** Pages need an agency that is ready; a person without one makes it first. */
function TenantGate({ children }: { readonly children: ReactNode }) {
  const { tenants, tenant, failure, refreshTenants } = useWorkspace()
  const path = usePathname().replace(/\/$/, '')
  if (tenants === null) {
    return failure === null ? (
      <p className="fine" role="status">
        Loading…
      </p>
    ) : (
      <FailureNotice failure={failure} onRetry={refreshTenants} />
    )
  }
  return tenant === null && !WITHOUT_AGENCY.has(path) ? <CreateAgency /> : children
}
