import { setTimeout as sleep } from 'node:timers/promises'
import { type Arguments, CommandRefused } from '../../command.ts'
import { askOperatorDoor, say } from '../../operator.ts'

/**
 * How many answers in a row must come from an isolate that has the version before it wraps. One that stays unseen is no danger:
 * it says "ask again" at its first use.
 */
const PROBES = 20
const PAUSE_MS = 1_000
const DEADLINE_MS = 120_000

/** Gives the number of isolates that were seen to have it. */
export async function distribute(args: Arguments, version: number): Promise<number> {
  const deadline = Date.now() + DEADLINE_MS
  await untilKnown(() => askOperatorDoor(args, 'kek-admit', { version }), version, deadline)
  const isolates = new Set<string>()
  for (let probes = 0; probes < PROBES; probes += 1) {
    const ask = () => askOperatorDoor(args, 'kek-probe', { version })
    const { answer, tries } = await untilKnown(ask, version, deadline)
    isolates.add(answer.isolate)
    if (tries > 1) probes = 0
  }
  say(`KEK version ${version} opens on every isolate that answered (${isolates.size} seen)`)
  await untilKnown(() => askOperatorDoor(args, 'kek-promote', { version }), version, deadline)
  say(`KEK version ${version} wraps what is new`)
  return isolates.size
}

async function untilKnown<Value>(
  ask: () => Promise<Value>,
  version: number,
  deadline: number,
): Promise<{ readonly answer: Value; readonly tries: number }> {
  for (let tries = 1; ; tries += 1) {
    try {
      return { answer: await ask(), tries }
    } catch (error) {
      if (!(error instanceof CommandRefused) || error.code !== 'kek_version_unknown') throw error
    }
    if (Date.now() > deadline) throw new CommandRefused('kek_version_unknown', neverSeen(version))
    if (tries === 1) say(`An isolate lacks KEK version ${version}: asking again`)
    await sleep(PAUSE_MS)
  }
}

function neverSeen(version: number): string {
  return (
    `KEK version ${version} is not on every isolate of the vault. Nothing was changed. A stack on this machine reads ` +
    `DIR/secrets/kek.v${version} when it starts; for a deployment: npx wrangler secret put KEK_V${version} --config workers/vault/wrangler.toml`
  )
}
