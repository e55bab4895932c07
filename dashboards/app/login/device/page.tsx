import type { Metadata } from 'next'
import { DevicePage } from '../../../login/device-page.tsx'

export const metadata: Metadata = { title: 'Sign a command line in' }

export default function Page() {
  return <DevicePage />
}
