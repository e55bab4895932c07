import { join } from 'node:path'
import { readCommandLine } from './command-line.ts'
import { loadKeks } from './keys/kek-source.ts'
import { readMailSettings } from './mail/mail-settings.ts'
import { confineTools } from './supervisor/environment.ts'
import { reportFailure } from './supervisor/failure.ts'
import { createProgress } from './supervisor/progress.ts'

/** `npm start`: the operator's boot. KEK and mail settings are judged before anything else, so that a refusal writes nothing (S2). */
const json = process.argv.includes('--json')
try {
  const { dir, seed } = readCommandLine(process.argv.slice(2))
  const keks = loadKeks({ env: process.env, dir, demo: false })
  const mail = readMailSettings(process.env)
  confineTools(dir)
  const { bootStack } = await import('./stack.ts')
  const progress = createProgress()
  progress.say(`Flarewatch on ${dir}`)
  const stack = await bootStack({ dir, keks, kind: 'operator', seed, mail, progress })
  stack.workers.startCrons()
  if (json) process.stdout.write(`${JSON.stringify({ ok: true, gateway_url: stack.run.gateway_url })}\n`)
  else {
    const mails = mail.kind === 'files' ? `files in ${join(dir, 'mail')}` : `sent by Resend from ${mail.from}`
    process.stdout.write(`\n  Dashboard  ${stack.run.gateway_url}\n  Mail       ${mails}\n  Ctrl-C stops it.\n`)
  }
} catch (error) {
  reportFailure(error, json)
}
