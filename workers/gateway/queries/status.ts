import { z } from 'zod'
import type { Tenancy } from '../with-tenant.ts'

const Row = z.object({
  credentials: z.number(),
  parked: z.number(),
  incidents: z.number(),
  newest_incident: z.string().nullable(),
  receipt_size: z.number().nullable(),
  receipt_at: z.date().nullable(),
  night_at: z.date().nullable(),
  night_size: z.number().nullable(),
  night_sound: z.boolean().nullable(),
  activated_at: z.date().nullable(),
  jobs_leased: z.number(),
  jobs_due: z.number(),
  oldest_due_at: z.date().nullable(),
  newest_job_at: z.date().nullable(),
  dead_letters_24h: z.number(),
  audit_rows: z.number(),
  mails_waiting: z.number(),
  oldest_mail_due_at: z.date().nullable(),
  mails_given_up_24h: z.number(),
  password_hook_at: z.date().nullable(),
  mfa_hook_at: z.date().nullable(),
})
export type TenantHealth = z.output<typeof Row>

/** What the database knows of how a tenant fares, at the instant that the request is judged at. */
export async function tenantHealth({ sql, tenantId }: Tenancy, at: Date): Promise<TenantHealth> {
  const [row] = await sql`
    select
      (select count(*) from flarewatch.credentials where tenant_id = ${tenantId}) as credentials,
      (select count(*) from flarewatch.credentials where tenant_id = ${tenantId} and state = 'parked') as parked,
      (select count(*) from flarewatch.incidents where tenant_id = ${tenantId} and acknowledged_at is null) as incidents,
      (select kind from flarewatch.incidents where tenant_id = ${tenantId} and acknowledged_at is null
        order by at desc limit 1) as newest_incident,
      newest.size as receipt_size, newest.at as receipt_at,
      night.finished_at as night_at, night.size as night_size, night.sound as night_sound,
      (select activated_at from flarewatch.tenants where id = ${tenantId}) as activated_at,
      work.jobs_leased, work.jobs_due, work.oldest_due_at, work.newest_job_at, work.dead_letters_24h, work.audit_rows,
      mail.waiting as mails_waiting, mail.oldest_due_at as oldest_mail_due_at, mail.given_up_24h as mails_given_up_24h,
      hooks.password_at as password_hook_at, hooks.mfa_at as mfa_hook_at
    from flarewatch.stack_status(${at}) as work
    cross join flarewatch.mail_status(${at}) as mail
    cross join flarewatch.hooks_seen() as hooks
    left join lateral (
      select size, at from flarewatch.receipts where log = ${tenantId} order by size desc limit 1
    ) as newest on true
    left join lateral (
      select finished_at, size, sound from flarewatch.verification_runs
      where log = ${tenantId} order by due_at desc limit 1
    ) as night on true`
  return Row.parse(row)
}
