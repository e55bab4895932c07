import { setTimeout as wait } from 'node:timers/promises'
import type { RunFile } from '../run-file.ts'
import { CanaryFailed } from './arguments.ts'
import type { CanaryDocument } from './canary.ts'
import { sendMarkers } from './markers.ts'
import { files, secretFiles } from './places/files.ts'
import { answers, visit } from './places/http.ts'
import { connect, dump, outgoingMessages } from './places/postgres.ts'
import { Planter, plantInAnswers, plantInFiles, plantInMail, plantInPostgres } from './planted.ts'
import { Scanner } from './scanner.ts'
import { ownKeys, providerTokens, signingSecrets } from './secrets.ts'
import { openSessions } from './sessions.ts'
import { type Item, type Items, Sweep } from './sweep.ts'

/** Time for a log line that is still in a pipe to reach its file. */
const LOGS_SETTLE_MS = 500

/** Sends markers, then looks everywhere for them, for what tenants stored, and for our own keys. */
export async function searchEverything(dir: string, run: RunFile): Promise<CanaryDocument> {
  const sessions = await openSessions(run)
  const marked = await sendMarkers(run, sessions)
  const tokens = [...(await storedTokens(run)), ...(await signingSecrets(run))]
  const secrets = [...tokens, ...marked.secrets, ...ownKeys(dir, process.env)]
  const sweep = new Sweep(new Scanner(secrets))
  // DIR/secrets is where our own keys belong; a tenant's never do.
  const secretsFolder = new Sweep(new Scanner([...tokens, ...marked.secrets]))
  const planter = new Planter()
  const sql = connect(run.postgres_superuser_url)
  try {
    await sweep.over(marked.answers)
    await sweep.over(answers(run, sessions))
    await wait(LOGS_SETTLE_MS)
    await sweep.over(dump(sql))
    await sweep.over(outgoingMessages(sql))
    const examples = new Map<string, string>()
    await sweep.over(remembering(files(dir), examples))
    await secretsFolder.over(secretFiles(dir))
    await plantInPostgres(planter, sql)
    await plantInMail(planter, sql)
    await plantInFiles(planter, dir, examples)
    await plantInAnswers(planter, await anAnswer(run))
  } finally {
    await sql.end()
  }
  const findings = [...sweep.findings, ...secretsFolder.findings]
  const { planted } = planter
  return {
    ok: findings.length === 0 && planted.missed.length === 0,
    secrets: secrets.length,
    findings,
    places: [...sweep.places, ...secretsFolder.places],
    planted,
  }
}

/** A sweep that knows no stored credential would prove nothing. */
async function storedTokens(run: RunFile) {
  const tokens = await providerTokens(run)
  if (tokens.length > 0) return tokens
  throw new CanaryFailed(
    'nothing_stored',
    'the simulated provider was shown no token yet: let the demo poll once, then try again',
  )
}

/** Notes one file of each place on the way. */
async function* remembering(items: Items, examples: Map<string, string>): AsyncGenerator<Item> {
  for await (const item of items) {
    if (!examples.has(item.place)) examples.set(item.place, item.location)
    yield item
  }
}

async function anAnswer(run: RunFile): Promise<Buffer> {
  return Buffer.from((await visit('copy', `${run.gateway_url}/api/config`, { name: 'nobody', headers: {} })).text)
}
