import { Cron } from 'croner'

export type CronTrigger = { readonly worker: string; readonly cron: string }
export type FireCron = (trigger: CronTrigger, scheduledTime: Date) => Promise<void>

/**
 * Crons never fire by themselves in workerd. Once a second this fires each trigger whose next time has passed by the
 * stack's own clock; a clock that jumps ahead fires each trigger once, as Cloudflare does after a pause.
 */
export function startTicker(triggers: readonly CronTrigger[], now: () => number, fire: FireCron): () => void {
  const schedules = triggers.map((trigger) => ({
    trigger,
    cron: new Cron(trigger.cron, { timezone: 'UTC', paused: true }),
  }))
  let last = now()
  const timer = setInterval(() => {
    const current = now()
    for (const { trigger, cron } of schedules) {
      const due = cron.nextRun(new Date(last))
      if (due !== null && due.getTime() <= current) void fire(trigger, due)
    }
    last = current
  }, 1000)
  return () => clearInterval(timer)
}
