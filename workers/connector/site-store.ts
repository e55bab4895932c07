import type { Transaction } from '../runtime/database.ts'
import type { LeasedJob } from './job-store.ts'
import type { SiteList } from './providers/provider.ts'

/** As many as a credential has when it is stored. */
const MAX_SITES = 50

/** What the key of a leased job reaches now: new sites are added, those that are back are polled again, those that are gone no more. */
export async function saveSites(sql: Transaction, job: LeasedJob, { sites, whole }: SiteList, at: Date): Promise<void> {
  const listed = sql.json(sites.map(({ providerRef, name, timeZone }) => ({ ref: providerRef, name, zone: timeZone })))
  await sql`
    update flarewatch.sites as site set name = listed.name, removed_at = null
      from jsonb_to_recordset(${listed}::jsonb) as listed (ref text, name text)
     where site.credential_id = ${job.credential_id} and site.provider_ref = listed.ref
       and (site.name <> listed.name or site.removed_at is not null)`
  if (whole) {
    await sql`
      update flarewatch.sites set removed_at = ${at}
       where credential_id = ${job.credential_id} and removed_at is null
         and provider_ref not in (select ref from jsonb_to_recordset(${listed}::jsonb) as listed (ref text))`
  }
  // A site that another credential of the tenant reaches stays with that one.
  await sql`
    insert into flarewatch.sites (id, tenant_id, credential_id, provider, provider_ref, name, time_zone, found_at)
    select gen_random_uuid(), ${job.tenant_id}::uuid, ${job.credential_id}::uuid, ${job.provider}, ref, name, zone, ${at}::timestamptz
      from jsonb_to_recordset(${listed}::jsonb) as listed (ref text, name text, zone text)
     where ref not in (select provider_ref from flarewatch.sites where credential_id = ${job.credential_id})
     order by name, ref
     limit greatest(0, ${MAX_SITES} - (
       select count(*) from flarewatch.sites where credential_id = ${job.credential_id} and removed_at is null
     ))
    on conflict do nothing`
  await sql`update flarewatch.credentials set sites_seen_at = ${at} where id = ${job.credential_id}`
}
