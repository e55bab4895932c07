import type { Metadata, Viewport } from 'next'
import type { ReactNode } from 'react'
import { Gate } from '../session/gate.tsx'
import { SessionProvider } from '../session/session.tsx'
import '../styles/tokens.css'
import '../styles/base.css'
import '../styles/controls.css'
import '../styles/frame.css'
import '../styles/data.css'
import '../styles/audit.css'
import '../styles/console.css'
import '../styles/incidents.css'
import '../styles/breakdowns.css'
import '../styles/findings.css'

export const metadata: Metadata = {
  title: { default: 'Flarewatch', template: '%s · Flarewatch' },
  description: 'Traffic of your clients’ sites, read with keys that you can check are safe.',
  robots: { index: false, follow: false },
  icons: { icon: '/icon.svg' },
}

export const viewport: Viewport = { colorScheme: 'light dark' }

export default function RootLayout({ children }: { readonly children: ReactNode }) {
  return (
    // The theme script runs before the first paint and before React, so the attribute that it sets is not React’s.
    <html lang="en" suppressHydrationWarning>
      <head>
        <script src="/theme.js" />
      </head>
      <body>
        <a className="skip-link" href="#main">
          Skip to content
        </a>
        <SessionProvider>
          <Gate>{children}</Gate>
        </SessionProvider>
      </body>
    </html>
  )
}
