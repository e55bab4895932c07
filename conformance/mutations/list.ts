/**
 * One change of one line for each of some commitments, and the tests that it must fail: exactly those of the files that are run,
 * which hold unrelated tests too.
 */
export type Mutation = {
  readonly commitment: string
  readonly breaks: string
  readonly file: string
  /** Occurs once in the file. Lines around the changed one are there to find it. */
  readonly search: string
  readonly replacement: string
  /** The vitest project and the files of it that are run. */
  readonly project: 'domain' | 'rooms' | 'sql'
  readonly tests: readonly string[]
  /** A file of that project that has nothing to do with the change, and must pass. */
  readonly unrelated: string
  /** Full names of the tests that must fail: one of them names the commitment. */
  readonly fails: readonly string[]
}

export const MUTATIONS: readonly Mutation[] = [
  {
    commitment: 'V1',
    breaks: 'the key commitment of a record is not compared',
    file: 'domain/envelope/record.ts',
    search: 'if (!equalConstantTime(commitment, commitmentOf(sealed))) return',
    replacement: 'if (!equalConstantTime(commitment, commitment)) return',
    project: 'domain',
    tests: ['domain/envelope/record.test.ts'],
    unrelated: 'domain/envelope/wrap.test.ts',
    fails: [
      'a sealed record does not open when its commitment names another key, even where GCM would (V1)',
      'a sealed record does not open with any one byte changed, cut or added',
      'a sealed record tells the sealed row alone which of three ways it did not open in (V3)',
    ],
  },
  {
    commitment: 'V2',
    breaks: 'the wrapping key no longer depends on the tenant’s share',
    file: 'domain/envelope/wrap.ts',
    search: 'hkdf({ key: kek.bytes, salt: share, info })',
    replacement: 'hkdf({ key: kek.bytes, info })',
    project: 'domain',
    tests: ['domain/envelope/wrap.test.ts'],
    unrelated: 'domain/envelope/record.test.ts',
    fails: ['a wrapped key opens with neither KEK nor share alone (V2)'],
  },
  {
    commitment: 'V3',
    breaks: 'AAD no longer names the credential',
    file: 'domain/envelope/aad.ts',
    search: 'uuidToBytes(tenantId), subject, u32be(keyVersion)]',
    replacement: 'uuidToBytes(tenantId), subject.subarray(16), u32be(keyVersion)]',
    project: 'domain',
    tests: ['domain/envelope/aad.test.ts', 'domain/envelope/record.test.ts', 'domain/envelope/wrap.test.ts'],
    unrelated: 'domain/merkle/tree.test.ts',
    fails: [
      'is different for every two bindings that differ in anything (V3)',
      'a sealed record opens in no other row, tenant or version (V3)',
      'a wrapped key opens under credential-dek, tenant and version as it was wrapped, and under no other (V3)',
    ],
  },
  {
    commitment: 'L2',
    breaks: 'a row need not carry the hash of the row before it',
    file: 'domain/audit/chain.ts',
    search: 'if (!equalConstantTime(row.previousHash, this.#place.hash)) return',
    replacement: 'if (!equalConstantTime(row.previousHash, row.previousHash)) return',
    project: 'domain',
    tests: ['domain/audit/chain.test.ts'],
    unrelated: 'domain/audit/row.test.ts',
    fails: [
      'a chain breaks at an edited row, and behind one whose hash was recomputed (L2)',
      'a chain breaks where rows were renumbered over a hole',
    ],
  },
  {
    commitment: 'A1',
    breaks: 'hourly figures are readable before TOTP is enrolled',
    file: 'sql/migrations/0008_facts.sql',
    search:
      'create policy "a user without verified TOTP sees no hourly fact" on flarewatch.facts_hourly\n' +
      '  as restrictive for select to flarewatch_gateway\n' +
      '  using ((select flarewatch.totp_enrolled()));',
    replacement:
      'create policy "a user without verified TOTP sees no hourly fact" on flarewatch.facts_hourly\n' +
      '  as restrictive for select to flarewatch_gateway\n' +
      '  using (true);',
    project: 'sql',
    tests: ['sql/tests/gateway.test.ts', 'sql/tests/catalogue.test.ts'],
    unrelated: 'sql/tests/connector.test.ts',
    fails: [
      'L3, T4: what holds for every table, policy and function A1: every table that the gateway reads has the restrictive TOTP policy',
      'A1: before TOTP is enrolled no tenant data is readable, in SQL too a member whose factor is unverified sees nothing, at any level that the token claims',
      'A1: before TOTP is enrolled no tenant data is readable, in SQL too a factor of another kind does not count',
      'A1: before TOTP is enrolled no tenant data is readable, in SQL too losing the factor ends reading at once',
    ],
  },
  {
    commitment: 'T4',
    breaks: 'the sites of a tenant are readable by whoever names it',
    file: 'sql/migrations/0005_credentials.sql',
    search:
      'on flarewatch.sites\n  for select to flarewatch_gateway\n' +
      '  using (tenant_id = (select flarewatch.claim_tenant()) and (select flarewatch.is_member()));',
    replacement:
      'on flarewatch.sites\n  for select to flarewatch_gateway\n' +
      '  using (tenant_id = (select flarewatch.claim_tenant()));',
    project: 'sql',
    tests: ['sql/tests/gateway.test.ts'],
    unrelated: 'sql/tests/connector.test.ts',
    fails: [
      'T4: a tenant sees itself and nobody else the owner sees nothing of a tenant whose id they put into the request',
      'T4: a tenant sees itself and nobody else the viewer sees nothing of a tenant whose id they put into the request',
      'T4: a tenant sees itself and nobody else an outsider with TOTP sees nothing, whichever tenant they name',
    ],
  },
  {
    commitment: 'L3',
    breaks: 'the owner can truncate a month of the audit log',
    file: 'sql/migrations/0011_months.sql',
    search: "'create trigger refuse_change before update or delete or truncate on flarewatch.%I",
    replacement: "'create trigger refuse_change before update or delete on flarewatch.%I",
    project: 'sql',
    tests: ['sql/tests/audit-log.test.ts'],
    unrelated: 'sql/tests/concurrency.test.ts',
    fails: [
      'L3, T3: no role may UPDATE, DELETE or TRUNCATE the audit log TRUNCATE is refused for the owner and the superuser, on the parent and on every leaf',
    ],
  },
  {
    commitment: 'L5',
    breaks: 'a month is dropped though a tenant has no certificate for it',
    file: 'sql/migrations/0020_retention.sql',
    search: 'from stored full join certified on certified.log = stored.tenant_id',
    replacement: 'from stored join certified on certified.log = stored.tenant_id',
    project: 'sql',
    tests: ['sql/tests/retention.test.ts'],
    unrelated: 'sql/tests/concurrency.test.ts',
    fails: [
      'L3, L5: an epoch leaves the log when its certificates are stored, and not before one tenant without a certificate holds the month for all (FW132)',
      'L3, L5: an epoch leaves the log when its certificates are stored, and not before rows that are gone although certified hold it (FW133)',
    ],
  },
  {
    commitment: 'L1',
    breaks: 'one row yields its share as often as it is sent',
    file: 'durable-objects/ledger/book.ts',
    search: 'if (known.seq !== BIRTH_SEQ || ledger.released_since_birth === 1) {',
    replacement: 'if (known.seq < BIRTH_SEQ) {',
    project: 'rooms',
    tests: ['durable-objects/ledger.test.ts'],
    unrelated: 'durable-objects/ledger/agreement.test.ts',
    fails: [
      'the release share L1 leaves with the row that asked for it, once',
      'the release share L1 may leave again with the row of the birth, until the first other release',
      'the release share L1 never leaves with a row that was appended as something else',
    ],
  },
  {
    commitment: 'T6',
    breaks: 'a budget of releases lets one more through',
    file: 'durable-objects/ledger/book.ts',
    search: 'Math.floor(now / HOUR_MS)) > release.budgetPerHour) {',
    replacement: 'Math.floor(now / HOUR_MS)) > release.budgetPerHour + 1) {',
    project: 'rooms',
    tests: ['durable-objects/ledger.test.ts'],
    unrelated: 'durable-objects/ledger/agreement.test.ts',
    fails: [
      'the release share T6 one release over the budget of a door and hour freezes the tenant and raises an incident',
    ],
  },
  {
    commitment: 'A4',
    breaks: 'a step-up token outlives its use',
    file: 'durable-objects/step-up-tokens.do.ts',
    search:
      "'DELETE FROM step_ups WHERE token_hash = ? RETURNING session_id, tenant_id, action, target_id, request_digest, expires_at'",
    replacement:
      "'SELECT session_id, tenant_id, action, target_id, request_digest, expires_at FROM step_ups WHERE token_hash = ?'",
    project: 'rooms',
    tests: ['durable-objects/step-up-tokens.test.ts'],
    unrelated: 'durable-objects/ledger/agreement.test.ts',
    fails: [
      'step-up tokens A4 of 200 concurrent uses exactly one wins, in each of 3 rounds',
      'step-up tokens A4 dies of a use for another sessionId',
      'step-up tokens A4 dies of a use for another tenantId',
      'step-up tokens A4 dies of a use for another targetId',
      'step-up tokens A4 dies of a use for another action',
      'step-up tokens A4 dies of a use for another requestDigest',
    ],
  },
]
