import { join } from 'node:path'
import type { NextConfig } from 'next'

const repository = join(import.meta.dirname, '..')

/** A static export: the gateway Worker serves the files, and no server of Next.js ever runs. */
export default {
  output: 'export',
  trailingSlash: true,
  reactStrictMode: true,
  poweredByHeader: false,
  devIndicators: false,
  images: { unoptimized: true },
  // The contracts lie outside this folder, in domain/.
  turbopack: { root: repository },
  outputFileTracingRoot: repository,
  // `npm run check` runs our own, stricter compiler settings over this folder.
  typescript: { ignoreBuildErrors: true },
} satisfies NextConfig
