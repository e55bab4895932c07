import { spawnSync } from 'node:child_process'
import { z } from 'zod'
import { checkout } from '../supervisor/checkout.ts'
import { startThrowawayPostgres } from './throwaway.ts'

/** `npm run check`'s SQL gate: lints of the live, freshly migrated schema, then of the files. No finding is too small. */
const PASSES: Record<string, readonly string[]> = {
  dblint: ['dblint'],
  check: ['check', 'sql'],
}

const Report = z.object({
  diagnostics: z.array(
    z.object({
      severity: z.string(),
      message: z.string(),
      category: z.string().nullish(),
      location: z.object({ path: z.string(), start: z.object({ line: z.int() }) }).nullish(),
    }),
  ),
})

function findings(args: readonly string[], databaseUrl: string): string[] {
  const { stdout, stderr } = spawnSync(
    checkout('node_modules', '.bin', 'postgres-language-server'),
    [...args, '--reporter=json', '--max-diagnostics=none'],
    // The address goes by environment: arguments are visible to every process.
    { cwd: checkout(), encoding: 'utf8', env: { ...process.env, DATABASE_URL: databaseUrl } },
  )
  const start = stdout.indexOf('{')
  if (start === -1) throw new Error(`postgres-language-server ${args.join(' ')} gave no report: ${stdout}${stderr}`)
  const { diagnostics } = Report.parse(JSON.parse(stdout.slice(start)))
  return diagnostics.map(({ severity, category, message, location }) => {
    const place = location == null ? '' : ` ${location.path}:${location.start.line}`
    return `${severity} ${category ?? 'unnamed'}${place}: ${message}`
  })
}

const postgres = await startThrowawayPostgres()
try {
  for (const [pass, args] of Object.entries(PASSES)) {
    const found = findings(args, postgres.superuserUrl)
    console.log(`${pass}: ${found.length} findings`)
    for (const finding of found) console.log(`  ${finding}`)
    if (found.length > 0) process.exitCode = 1
  }
} finally {
  await postgres.stop()
}
