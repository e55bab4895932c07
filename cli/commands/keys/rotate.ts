import { type Arguments, type Command, CommandRefused, EXIT } from '../../command.ts'
import { askOperatorDoor, OPERATOR_OPTIONS } from '../../operator.ts'
import { distribute } from './distribute.ts'
import { describeVersion } from './lines.ts'
import { rewrapAll } from './rewrap.ts'
import { parseVersion } from './version.ts'

/**
 * V4: the version opens, then is probed on the isolates that answer, then wraps; then every wrap moves to it. Each step may be asked
 * for again: a rotation that was broken off, here or there, goes on from where the rows say that it is.
 */
export const keysRotate: Command = {
  usage: 'flarewatch keys rotate [--to N] [--from-denied N] [--vault URL]',
  summary: 'operator: wrap with a KEK version that is deployed (the newest), and move every wrap to it',
  options: { to: { type: 'string' }, 'from-denied': { type: 'string' }, ...OPERATOR_OPTIONS },
  positionals: 0,
  async run(args: Arguments) {
    const denied = args.values['from-denied']
    const to = args.values.to === undefined ? await newestBound(args) : parseVersion(args.values.to)
    const isolates = await distribute(args, to)
    if (denied !== undefined) await askOperatorDoor(args, 'kek-drain', { version: parseVersion(denied) })
    const { moved, ms } = await rewrapAll(args)
    const { versions } = await askOperatorDoor(args, 'kek-status', {})
    return {
      document: { ok: true, version: to, isolates, rewrapped: moved, ms, versions },
      text: [`KEK version ${to} wraps, and every wrap is under it.`, ...versions.map(describeVersion)].join('\n'),
      exit: EXIT.ok,
    }
  },
}

async function newestBound(args: Arguments): Promise<number> {
  const { isolate } = await askOperatorDoor(args, 'kek-status', {})
  if (isolate.refusal === null) return Math.max(...isolate.bound)
  throw new CommandRefused(isolate.refusal, `The vault refuses its own keys: ${isolate.refusal}`)
}
