import { randomBytes, randomUUID } from 'node:crypto'
import type postgres from 'postgres'
import { utf8 } from '../../domain/bytes.ts'
import type { ConnectorDoorApi } from '../../domain/contracts/connector-door.ts'
import { AuditRowId, CredentialId, SiteId, TenantId } from '../../domain/contracts/ids.ts'
import type { Provider } from '../../domain/contracts/providers.ts'
import { deriveSubkey, sealRecord } from '../../domain/envelope/record.ts'

/** What one key opens at a provider, as it is when the key is stored. */
export type Account = {
  readonly key: string
  readonly sites: readonly { readonly ref: string; readonly name: string; readonly timeZone: string }[]
}
export type GoldenSite = {
  readonly id: SiteId
  readonly provider: Provider
  readonly credentialId: CredentialId
  readonly ref: string
  readonly timeZone: string
  readonly connectedAt: number
}
type Sealed = { readonly tenantId: TenantId; readonly subkey: Uint8Array }

/** Agencies in Postgres, their keys sealed as every record is, and the vault's part of a poll: it hands a record's subkey to a leased job. */
export class Agencies {
  readonly sites: GoldenSite[] = []
  readonly providers = new Map<string, Provider>()
  readonly #sql: postgres.Sql
  readonly #records = new Map<string, Sealed>()
  readonly #jobs = new Map<string, string>()

  constructor(sql: postgres.Sql) {
    this.#sql = sql
  }

  async found(): Promise<TenantId> {
    const id = TenantId.parse(randomUUID())
    await this
      .#sql`insert into flarewatch.tenants (id, name, state, activated_at) values (${id}, 'Agency', 'active', now())`
    await this.#sql`insert into flarewatch.tenant_keys (tenant_id, version, kek_version, wrapped_dek)
      values (${id}, 1, 1, ${randomBytes(60)})`
    return id
  }

  /** Due at once, as a key that has just been stored is. */
  async connect(tenantId: TenantId, provider: Provider, { key, sites }: Account, at: number): Promise<void> {
    const id = CredentialId.parse(randomUUID())
    const [dek, salt] = [new Uint8Array(randomBytes(32)), new Uint8Array(randomBytes(32))]
    const context = { tenantId, credentialId: id, dekVersion: 1 }
    const subkey = await deriveSubkey({ dek, salt, context })
    const ciphertext = await sealRecord({ subkey, context, plaintext: utf8(key) })
    await this.#sql`
      insert into flarewatch.credentials (id, tenant_id, provider, label, kek_version, wrapped_dek, dek_version, salt,
        ciphertext, last4, scope, grade, next_poll_at, created_by)
      values (${id}, ${tenantId}, ${provider}, ${provider}, 1, ${randomBytes(60)}, 1, ${salt}, ${ciphertext},
        ${key.slice(-4)}, ${`${sites.length} sites`}, 'read_only', ${new Date(at)}, ${randomUUID()})`
    this.#records.set(id, { tenantId, subkey })
    this.providers.set(id, provider)
    for (const { ref, name, timeZone } of sites) {
      const site = SiteId.parse(randomUUID())
      await this
        .#sql`insert into flarewatch.sites (id, tenant_id, credential_id, provider, provider_ref, name, time_zone)
        values (${site}, ${tenantId}, ${id}, ${provider}, ${ref}, ${name}, ${timeZone})`
      this.sites.push({ id: site, provider, credentialId: id, ref, timeZone, connectedAt: at })
    }
  }

  leased(jobId: string, credentialId: string): void {
    this.#jobs.set(jobId, credentialId)
  }

  readonly vault: ConnectorDoorApi = {
    open: async (jobId) => {
      const credentialId = CredentialId.parse(this.#jobs.get(jobId))
      const sealed = this.#records.get(credentialId)
      if (sealed === undefined) return { ok: false, code: 'job_not_leased', retryable: false }
      const { tenantId, subkey } = sealed
      const intentRow = AuditRowId.parse(randomUUID())
      // A copy: the connector zeroes what it was given.
      return { ok: true, tenantId, credentialId, dekVersion: 1, subkey: Uint8Array.from(subkey), intentRow }
    },
    settle: async () => ({ ok: true }),
    reseal: async () => ({ ok: false, code: 'reseal_not_needed', retryable: false }),
    openEvent: async () => ({ ok: false, code: 'event_not_waiting', retryable: false }),
    settleEvent: async () => ({ ok: false, code: 'event_not_waiting', retryable: false }),
  }
}
