import { CanaryFailed, EXIT, readArguments } from '../canary/arguments.ts'
import { attach } from '../canary/attach.ts'
import type { RunFile } from '../run-file.ts'
import { documentOf, type MatrixDocument, table } from './document.ts'
import { playSql } from './isolation.ts'
import { leaseBoth, playMessages } from './messages.ts'
import { playEndpoints } from './reach.ts'
import { setScene, userIdOf } from './visitors.ts'

/** `npm run matrix`: T1 and T4, cell by cell, on a running stack. */
const json = process.argv.includes('--json')
try {
  const { dir } = readArguments(process.argv.slice(2))
  const { run, stop } = await attach(dir)
  const document = await play(run).finally(stop)
  process.stdout.write(json ? `${JSON.stringify(document)}\n` : table(document))
  process.exitCode = document.ok ? EXIT.ok : EXIT.failed
} catch (error) {
  const code = error instanceof CanaryFailed ? error.code : 'failed'
  const message = error instanceof Error ? error.message : String(error)
  if (json) process.stdout.write(`${JSON.stringify({ ok: false, error: { code, message } })}\n`)
  process.stderr.write(`${code}: ${message}\n`)
  process.exitCode = error instanceof CanaryFailed ? error.exit : EXIT.failed
}

async function play(run: RunFile): Promise<MatrixDocument> {
  const scene = await setScene(run)
  const endpoints = await playEndpoints(run, scene)
  const owner = scene.visitors.find(({ name }) => name === 'owner, AAL2 fresh')?.person
  if (owner == null) throw new Error('the scene has no owner')
  const own = { tenantId: scene.place.tenantId, userId: await userIdOf(owner) }
  // Before the roles try: what some may do to a leased job is to be seen in every run, not in one where a job happens to be leased.
  const sides = await leaseBoth(run, scene)
  const sql = await playSql(run, { own, other: { tenantId: scene.otherTenantId } })
  return documentOf(endpoints, sql, await playMessages(run, sides))
}
