import { setTimeout as sleep } from 'node:timers/promises'
import type { KekLine } from '../../../domain/contracts/operator-door.ts'
import { type Arguments, CommandRefused } from '../../command.ts'
import { askOperatorDoor, say } from '../../operator.ts'
import { rowsUnder } from './lines.ts'

const POLL_MS = 1_000
/** Without a row moved for so long, what was lost on the way is sent again: longer than the lease of a batch. */
const STALLED_MS = 25_000
const MAX_STALLS = 3

/** Starts or takes up the re-wrapping and watches it to its end. It goes on without its watcher. */
export async function rewrapAll(args: Arguments): Promise<{ readonly moved: number; readonly ms: number }> {
  const began = Date.now()
  const total = await rowsLeft(args)
  let [left, stalls, changedAt] = [total, 0, began]
  if (left > 0) await askOperatorDoor(args, 'kek-rewrap', {})
  while (left > 0) {
    await sleep(POLL_MS)
    const now = await rowsLeft(args)
    if (now !== left) {
      ;[left, stalls, changedAt] = [now, 0, Date.now()]
      say(progressLine(total, left, Date.now() - began))
    } else if (Date.now() - changedAt > STALLED_MS) {
      stalls += 1
      if (stalls > MAX_STALLS) throw stalled(left)
      changedAt = Date.now()
      await askOperatorDoor(args, 'kek-rewrap', {})
    }
  }
  return { moved: total, ms: Date.now() - began }
}

async function rowsLeft(args: Arguments): Promise<number> {
  const { versions } = await askOperatorDoor(args, 'kek-status', {})
  return versions.filter(isStale).reduce((sum, line) => sum + rowsUnder(line), 0)
}

function isStale({ state }: KekLine): boolean {
  return state === 'opening' || state === 'draining'
}

function progressLine(total: number, left: number, ms: number): string {
  const moved = Math.max(0, total - left)
  const perSecond = (moved * 1000) / ms
  const estimate = moved === 0 ? '' : `, ${Math.round(perSecond)}/s, about ${Math.ceil(left / perSecond)} s to go`
  return `re-wrapped ${moved} of ${total}${estimate}`
}

function stalled(left: number): CommandRefused {
  const message =
    `${left} wraps do not move. They belong to frozen tenants (flarewatch unfreeze), or do not open: the incidents ` +
    'rewrap_not_openable name those. Everything that opens has moved, and the rest moves by itself once it can'
  return new CommandRefused('rewrap_stalled', message)
}
