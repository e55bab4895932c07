import { readFileSync } from 'node:fs'

const SAMPLE_MS = 20
const MB = 2 ** 20
const PAGE_BYTES = 4096

/** The largest resident size of the workerd that this process started, while `work` runs; null where there is no /proc. */
export async function peakOfWorkerd<Value>(
  work: () => Promise<Value>,
): Promise<{ value: Value; peakMb: number | null }> {
  const pid = workerdPid()
  let peak = 0
  const sample = () => {
    if (pid !== null) peak = Math.max(peak, residentBytes(pid))
  }
  const timer = setInterval(sample, SAMPLE_MS)
  try {
    sample()
    const value = await work()
    return { value, peakMb: pid === null ? null : peak / MB }
  } finally {
    clearInterval(timer)
  }
}

function workerdPid(): number | null {
  try {
    const children = readFileSync(`/proc/self/task/${process.pid}/children`, 'utf8').trim().split(' ')
    const pid = children.find((child) => readFileSync(`/proc/${child}/comm`, 'utf8').trim() === 'workerd')
    return pid === undefined ? null : Number(pid)
  } catch {
    return null
  }
}

function residentBytes(pid: number): number {
  return Number(readFileSync(`/proc/${pid}/statm`, 'utf8').split(' ')[1]) * PAGE_BYTES
}
