import { type CommandLine, readCommandLine } from './command-line.ts'
import { loadKeks, makeDemoKek } from './keys/kek-source.ts'
import { MAIL_TO_FILES } from './mail/mail-settings.ts'
import type { Stack } from './stack.ts'
import { confineTools } from './supervisor/environment.ts'
import { reportFailure } from './supervisor/failure.ts'
import { createProgress, type Progress } from './supervisor/progress.ts'

/** `npm run demo`: boots the embedded stack, seeds it by public calls, polls; then stays, or with `--once` says what it did and ends. */
const json = process.argv.includes('--json')
try {
  const options = readCommandLine(process.argv.slice(2))
  await demo(options)
} catch (error) {
  reportFailure(error, json)
}

async function demo(options: CommandLine): Promise<void> {
  const { dir, seed } = options
  const began = performance.now()
  const progress = createProgress()
  progress.say(`Flarewatch demo on ${dir}`)
  makeDemoKek(dir)
  const keks = loadKeks({ env: {}, dir, demo: true })
  confineTools(dir)
  const { buildDashboard } = await import('../dashboards/build.ts')
  await progress.part('dashboard', buildDashboard)
  const { bootStack } = await import('./stack.ts')
  const stack = await bootStack({ dir, keks, kind: 'demo', seed, mail: MAIL_TO_FILES, progress })
  const bootMs = Math.round(performance.now() - began)
  progress.say(`  booted in ${(bootMs / 1000).toFixed(1)} s`)
  try {
    if (options.once) await once(stack, options, progress, bootMs)
    else await stay(stack, options, progress)
  } catch (error) {
    await stack.stop()
    throw error
  }
}

async function seedAndPoll(stack: Stack, { dir }: CommandLine, progress: Progress) {
  const [{ seedDemo }, { ingestOnce }] = await Promise.all([import('./demo/seed.ts'), import('./demo/ingest.ts')])
  const demo = await progress.part('demo agency', () =>
    seedDemo({
      supabaseUrl: stack.run.supabase_url,
      publishableKey: stack.run.publishable_key,
      gatewayUrl: stack.run.gateway_url,
      issueKey: (provider) => stack.simulators?.of(provider).issueReadKey() ?? '',
      dir,
      progress,
    }),
  )
  await progress.part('first poll and receipt', () => ingestOnce(stack))
  const { email, password, totp_secret, tenant_id } = demo
  stack.announceDemo({ email, password, totp_secret, tenant_id })
  return demo
}

async function stay(stack: Stack, options: CommandLine, progress: Progress): Promise<void> {
  const { email, password, totp_secret } = await seedAndPoll(stack, options, progress)
  stack.workers.startCrons()
  const { totpCode } = await import('./demo/session.ts')
  const code = totpCode(totp_secret, Date.now())
  if (options.json) {
    process.stdout.write(`${JSON.stringify({ ok: true, gateway_url: stack.run.gateway_url, email, password, code })}\n`)
    return
  }
  process.stdout.write(
    [
      '',
      `  Dashboard   ${stack.run.gateway_url}`,
      `  Email       ${email}`,
      `  Password    ${password}`,
      `  TOTP code   ${code}   (changes every 30 s; secret ${totp_secret})`,
      '',
      '  It polls every five minutes. Ctrl-C stops it; the next run goes on from here.',
      '',
    ].join('\n'),
  )
}

async function once(stack: Stack, options: CommandLine, progress: Progress, bootMs: number): Promise<void> {
  const { countStored, demoDocument } = await import('./demo/document.ts')
  const before = await countStored(stack.run.postgres_superuser_url)
  await seedAndPoll(stack, options, progress)
  const document = await demoDocument({ stack, before, boot: { ms: bootMs, parts: progress.parts }, dir: options.dir })
  await stack.stop()
  if (options.json) process.stdout.write(`${JSON.stringify(document)}\n`)
  else process.stdout.write(`${JSON.stringify(document, null, 2)}\n`)
  process.exit(document.ok ? 0 : 1)
}
