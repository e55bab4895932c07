import type { Person } from './person.ts'
import type { RunFile } from './run-file.ts'

/** What a check may do to the running stack beside being its user: its clock, its crons, its simulated provider. */
export async function fireCron(run: RunFile, worker: string, cron: string): Promise<void> {
  const { outcome } = (await control(run, 'POST', '/cron', { worker, cron })) as { outcome?: string }
  if (outcome !== 'ok') throw new Error(`${worker} did not run its cron: ${outcome}`)
}

/** Hands a queue's consumer a message and says what it did with it. */
export async function deliver(run: RunFile, worker: string, queue: string, message: unknown): Promise<string> {
  const { outcome } = (await control(run, 'POST', '/queue', { worker, queue, message })) as { outcome?: string }
  return outcome ?? 'nothing'
}

export async function setClockOffset(run: RunFile, offsetMs: number): Promise<void> {
  await control(run, 'POST', '/clock', { offset_ms: offsetMs })
}

export async function simulate(run: RunFile, act: string, body: unknown, method = 'POST'): Promise<unknown> {
  const url = `${run.simulators.cloudflare?.control_url}/${act}`
  const response = await fetch(url, { method, ...(method === 'GET' ? {} : { body: JSON.stringify(body) }) })
  if (!response.ok) throw new Error(`the simulator refused ${act}: ${await response.text()}`)
  return response.json()
}

/** A token as Cloudflare's console would show it once. */
export async function issueToken(run: RunFile, scope = 'read'): Promise<string> {
  const { token } = (await simulate(run, 'tokens', { scope })) as { token: string }
  return token
}

const POLL_DEADLINE_MS = 60_000

/** Waits until every credential that the person sees has been polled with success. */
export async function untilPolled(person: Person): Promise<void> {
  await until(async () => {
    const { credentials } = (await person.read('/api/credentials')).body as {
      credentials: { last_success_at: unknown }[]
    }
    return credentials.length > 0 && credentials.every(({ last_success_at }) => last_success_at !== null)
  }, 'the credentials were polled')
}

/** Waits until what lies before the first poll of each credential is read too: nothing of it opens a key any more. */
export async function untilHistoryRead(run: RunFile, person: Person): Promise<void> {
  await until(async () => {
    await fireCron(run, 'scheduler', '* * * * *')
    const { credentials } = (await person.read('/api/credentials')).body as {
      credentials: { history: { state: string } | null }[]
    }
    return credentials.every(({ history }) => history?.state === 'done')
  }, 'the history is read')
}

export async function until(holds: () => Promise<boolean>, what: string, deadlineMs = POLL_DEADLINE_MS): Promise<void> {
  const deadline = Date.now() + deadlineMs
  while (!(await holds())) {
    if (Date.now() > deadline) throw new Error(`waited ${deadlineMs / 1000} s in vain until ${what}`)
    await new Promise((passed) => setTimeout(passed, 150))
  }
}

async function control(run: RunFile, method: string, path: string, body: unknown): Promise<unknown> {
  const response = await fetch(run.control.url + path, {
    method,
    headers: { authorization: `Bearer ${run.control.token}` },
    body: JSON.stringify(body),
  })
  if (!response.ok) throw new Error(`the stack refused ${path}: ${await response.text()}`)
  return response.json()
}
