import { setTimeout as sleep } from 'node:timers/promises'
import type postgres from 'postgres'
import { fireCron, until } from '../stack.ts'
import type { Owner } from './owner.ts'
import type { Phase } from './plan.ts'
import type { StackUnderTest } from './stack-under-test.ts'

/** What goes on while it strikes. `prepare` is left alone; `disturbed` is what the strike falls into. */
export type Work = {
  readonly prepare: (owner: Owner) => Promise<void>
  readonly disturbed: (owner: Owner) => Promise<void>
}

const POLL_CRON = '* * * * *'
/** The nightly run: every chain, whether its head moved or not. */
export const VERIFY_CRON = '15 2 * * *'
const CRON_DEADLINE_MS = 30_000

export function workOf(stack: StackUnderTest): Record<Phase, Work> {
  return {
    storing: {
      prepare: async () => {},
      disturbed: async (owner) => {
        await owner.createTenant()
        await owner.storeCredential()
      },
    },
    ingestion: {
      prepare: async (owner) => {
        await owner.createTenant()
        await owner.storeCredential()
      },
      disturbed: () => fire(stack, 'scheduler', POLL_CRON),
    },
    verifying: {
      prepare: (owner) => owner.createTenant(),
      disturbed: () => fire(stack, 'verifier', VERIFY_CRON),
    },
  }
}

/** A cron has nobody who waits for it: one that is cut off comes again. */
async function fire(stack: StackUnderTest, worker: string, cron: string): Promise<void> {
  const run = await stack.running()
  await Promise.race([fireCron(run, worker, cron).catch(() => {}), sleep(CRON_DEADLINE_MS, undefined, { ref: false })])
}

/** How long each phase takes when nobody is killed, in milliseconds: a strike's moment is a part of this. */
export async function timePhases(
  stack: StackUnderTest,
  owner: Owner,
  sql: postgres.Sql,
): Promise<Record<Phase, number>> {
  const work = workOf(stack)
  const storing = await timed(() => work.storing.disturbed(owner))
  const ingestion = await timed(async () => {
    await work.ingestion.disturbed(owner)
    await until(async () => {
      const [row] = await sql<{ done: boolean }[]>`
        select last_success_at is not null as done from flarewatch.credentials where id = ${owner.credentialId}`
      return row?.done === true
    }, 'the first poll is done')
  })
  const verifying = await timed(() => work.verifying.disturbed(owner))
  return { storing, ingestion, verifying }
}

async function timed(act: () => Promise<void>): Promise<number> {
  const began = Date.now()
  await act()
  return Date.now() - began
}
