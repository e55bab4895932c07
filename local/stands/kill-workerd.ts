import { readdirSync, readFileSync } from 'node:fs'

/** Kills every workerd that this process started, as a machine that goes dark does: nothing is said goodbye to. Linux only. */
export function killWorkerd(): number {
  const killed = readdirSync('/proc')
    .map(Number)
    .filter((pid) => Number.isInteger(pid) && isOurWorkerd(pid))
  for (const pid of killed) process.kill(pid, 'SIGKILL')
  return killed.length
}

/** proc(5): the name stands in parentheses, the parent is the second field after it. */
function isOurWorkerd(pid: number): boolean {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    const [, parent] = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    return stat.includes('(workerd)') && Number(parent) === process.pid
  } catch {
    return false
  }
}
