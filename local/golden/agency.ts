import { randomBytes, randomUUID } from 'node:crypto'
import type postgres from 'postgres'
import { utf8 } from '../../domain/bytes.ts'
import { CredentialId, SiteId, TenantId } from '../../domain/contracts/ids.ts'
import type { Provider } from '../../domain/contracts/providers.ts'
import { deriveSubkey, sealRecord } from '../../domain/envelope/record.ts'
import { GoldenVault } from './vault.ts'

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

/** Agencies in Postgres, their keys sealed as every record is. */
export class Agencies {
  readonly sites: GoldenSite[] = []
  readonly providers = new Map<string, Provider>()
  readonly #sql: postgres.Sql
  readonly vault = new GoldenVault()

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
    this.vault.keep({ credentialId: id, tenantId, subkey })
    this.providers.set(id, provider)
    for (const { ref, name, timeZone } of sites) {
      const site = SiteId.parse(randomUUID())
      await this
        .#sql`insert into flarewatch.sites (id, tenant_id, credential_id, provider, provider_ref, name, time_zone)
        values (${site}, ${tenantId}, ${id}, ${provider}, ${ref}, ${name}, ${timeZone})`
      this.sites.push({ id: site, provider, credentialId: id, ref, timeZone, connectedAt: at })
    }
  }
}
