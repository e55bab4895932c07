import { createHash, randomBytes, randomUUID } from 'node:crypto'
import type { Body } from '../request-digest.ts'
import type { Demand, Place } from './routes.ts'

/** `digested` is what a step-up token is bound to, where that is not the whole body. */
export type FunctionCall = { readonly body: Body; readonly digested?: Body; readonly targetId: string }
export type PrivilegedFunction = {
  readonly name: string
  /** Which of its acts, where it has several. */
  readonly act?: string
  readonly demand: Demand
  /** The act whose token it takes. */
  readonly action: string | null
  readonly roles: readonly string[]
  /** The code that whoever may do it gets, where what is asked for is not there: nobody was kept from it. */
  readonly answers?: string
  readonly call: (place: Place) => Promise<FunctionCall>
}

const OWNER = ['owner']
const MANAGERS = ['owner', 'operator']
const MEMBERS = ['owner', 'operator', 'viewer']

/** Every function of the manifest, with a request that is right for the tenant that it names. */
export const FUNCTIONS: readonly PrivilegedFunction[] = [
  {
    // Whoever asks becomes the owner of what is new: no role can be lacking, and no tenant of others is named.
    name: 'tenant-create',
    demand: 'aal2',
    action: null,
    roles: [...MEMBERS, 'outsider'],
    call: async () => {
      const id = randomUUID()
      return { targetId: id, body: { tenant_id: id, name: 'Founded by the matrix' } }
    },
  },
  {
    name: 'step-up',
    demand: 'fresh',
    action: null,
    roles: MANAGERS,
    call: async ({ tenantId }) => {
      const id = randomUUID()
      const asked = { tenant_id: tenantId, action: 'credential.store', target_id: id, request_digest: 'A'.repeat(43) }
      return { targetId: id, body: asked }
    },
  },
  {
    // Before any store, since a site belongs to the credential that was stored for it last.
    name: 'provider-action',
    demand: 'step-up',
    action: 'provider.purge_cache',
    roles: MANAGERS,
    call: async ({ tenantId, credentialId, siteId }) => {
      const purge = { purge_everything: true }
      return {
        targetId: credentialId,
        body: { tenant_id: tenantId, credential_id: credentialId, site_id: siteId, purge },
      }
    },
  },
  // Of a Cloudflare key, which does none of these: told when the role was judged, and before a key is released.
  ...(
    [
      ['provider.verify_domain', { verify: true }],
      ['provider.read_suppressions', { suppressions_after: null }],
      ['provider.remove_suppression', { remove_suppression: randomUUID() }],
    ] as const
  ).map(([action, asked]) => ({
    name: 'provider-action',
    act: action.replace('provider.', ''),
    demand: 'step-up' as const,
    action,
    roles: MANAGERS,
    answers: 'request_invalid',
    call: async ({ tenantId, credentialId, siteId }: Place) => ({
      targetId: credentialId,
      body: { tenant_id: tenantId, credential_id: credentialId, site_id: siteId, ...asked },
    }),
  })),
  {
    name: 'credential-store',
    demand: 'step-up',
    action: 'credential.store',
    roles: MANAGERS,
    call: async ({ tenantId, issueToken }) => {
      const id = randomUUID()
      const secret = await issueToken()
      const body = { tenant_id: tenantId, credential_id: id, provider: 'cloudflare', label: 'By the matrix', secret }
      return { targetId: id, body }
    },
  },
  {
    // Of a Cloudflare key, which delivers nothing: the last thing that is judged.
    name: 'webhook-store',
    demand: 'step-up',
    action: 'credential.store',
    roles: MANAGERS,
    answers: 'webhook_unsupported',
    call: async ({ tenantId, credentialId }) => {
      const id = randomUUID()
      const secret = `whsec_${randomBytes(16).toString('hex')}`
      const endpoint_id = randomBytes(16).toString('base64url')
      const named = { tenant_id: tenantId, credential_id: id, webhook_of: credentialId, endpoint_id }
      return { targetId: id, body: { ...named, provider: 'stripe', label: 'By the matrix', secret } }
    },
  },
  {
    name: 'credential-rotate',
    demand: 'step-up',
    action: 'credential.rotate',
    roles: MANAGERS,
    call: async ({ tenantId, credentialId, issueToken }) => {
      const secret = await issueToken()
      const body = { tenant_id: tenantId, credential_id: credentialId, provider: 'cloudflare', secret }
      return { targetId: credentialId, body }
    },
  },
  {
    name: 'credential-delete',
    demand: 'step-up',
    action: 'credential.delete',
    roles: OWNER,
    call: async ({ tenantId, storeAnother }) => {
      const id = await storeAnother()
      return { targetId: id, body: { tenant_id: tenantId, credential_id: id } }
    },
  },
  {
    // Of a job that never was: whoever may replay learns that there is none.
    name: 'dead-letter-replay',
    demand: 'step-up',
    action: 'dead_letter.replay',
    roles: MANAGERS,
    answers: 'dead_letter_unknown',
    call: async ({ tenantId }) => {
      const id = randomUUID()
      return { targetId: id, body: { tenant_id: tenantId, job_id: id } }
    },
  },
  {
    name: 'operator-key',
    act: 'list',
    demand: 'aal2',
    action: null,
    roles: OWNER,
    call: async ({ tenantId }) => ({ targetId: tenantId, body: { act: 'list', tenant_id: tenantId } }),
  },
  {
    name: 'operator-key',
    act: 'remove',
    demand: 'fresh',
    action: null,
    roles: OWNER,
    answers: 'operator_key_unknown',
    call: async ({ tenantId }) => {
      const id = randomUUID()
      return { targetId: id, body: { act: 'remove', tenant_id: tenantId, key_id: id } }
    },
  },
  {
    name: 'operator-key',
    act: 'enrol',
    demand: 'step-up',
    action: 'operator_key.enrol',
    roles: OWNER,
    call: async ({ tenantId }) => {
      const publicKey = randomBytes(64)
      const digested = { tenant_id: tenantId, public_key: publicKey.toString('base64url'), vouch: null }
      return { targetId: operatorKeyId(publicKey), digested, body: { act: 'enrol', ...digested } }
    },
  },
  {
    name: 'credential-reveal',
    act: 'reveal',
    demand: 'step-up',
    action: 'credential.reveal',
    roles: OWNER,
    answers: 'operator_key_unknown',
    call: async ({ tenantId, credentialId }) => {
      const pickup_id = randomBytes(32).toString('base64url')
      const digested = { tenant_id: tenantId, credential_id: credentialId, key_id: randomUUID(), pickup_id }
      return { targetId: credentialId, digested, body: { act: 'reveal', ...digested } }
    },
  },
  {
    name: 'credential-reveal',
    act: 'collect',
    demand: 'aal2',
    action: null,
    roles: OWNER,
    call: async ({ tenantId }) => {
      const pickup_secret = randomBytes(32).toString('base64url')
      return { targetId: tenantId, body: { act: 'collect', tenant_id: tenantId, pickup_secret } }
    },
  },
  {
    name: 'member-invite',
    demand: 'step-up',
    action: 'member.invite',
    roles: OWNER,
    call: async ({ tenantId }) => {
      const id = randomUUID()
      const email = `${id}@example.test`
      return { targetId: id, body: { tenant_id: tenantId, invitation_id: id, email, role: 'viewer' } }
    },
  },
  {
    name: 'member-role',
    act: 'member.role',
    demand: 'step-up',
    action: 'member.role',
    roles: OWNER,
    call: async ({ tenantId, memberId }) => {
      const body = { act: 'member.role', tenant_id: tenantId, member_id: memberId, role: 'viewer' }
      return { targetId: memberId, body }
    },
  },
  {
    // Of an account that nobody has polled: the last thing that is judged.
    name: 'credential-resync',
    demand: 'fresh',
    action: null,
    roles: MANAGERS,
    answers: 'resync_nothing',
    call: async ({ tenantId, credentialId }) => {
      const day = new Date().toISOString().slice(0, 10)
      return { targetId: credentialId, body: { tenant_id: tenantId, credential_id: credentialId, from: day, to: day } }
    },
  },
  {
    name: 'invitation-withdraw',
    demand: 'fresh',
    action: null,
    roles: OWNER,
    answers: 'invitation_unknown',
    call: async ({ tenantId }) => {
      const id = randomUUID()
      return { targetId: id, body: { tenant_id: tenantId, invitation_id: id } }
    },
  },
  {
    name: 'member-reset',
    act: 'request',
    demand: 'step-up',
    action: 'member.reset',
    roles: OWNER,
    call: async ({ tenantId, memberId }) => {
      return { targetId: memberId, body: { act: 'request', tenant_id: tenantId, member_id: memberId } }
    },
  },
  {
    name: 'member-reset',
    act: 'withdraw',
    demand: 'fresh',
    action: null,
    roles: OWNER,
    answers: 'member_reset_unknown',
    call: async ({ tenantId }) => {
      const id = randomUUID()
      return { targetId: id, body: { act: 'withdraw', tenant_id: tenantId, member_id: id } }
    },
  },
  {
    name: 'sql-console',
    demand: 'fresh',
    action: null,
    roles: MANAGERS,
    call: async ({ tenantId }) => {
      const id = randomUUID()
      return { targetId: id, body: { tenant_id: tenantId, statement_id: id, statement: 'select count(*) from sites' } }
    },
  },
  {
    // Of a key that is none of Supabase's: whoever may ask is told that there is no such project.
    name: 'sql-console',
    act: 'project',
    demand: 'fresh',
    action: null,
    roles: MANAGERS,
    answers: 'credential_unknown',
    call: async ({ tenantId, credentialId, siteId }) => {
      const id = randomUUID()
      const project = { credential_id: credentialId, site_id: siteId }
      return { targetId: id, body: { tenant_id: tenantId, statement_id: id, statement: 'select 1', project } }
    },
  },
  {
    // Of oneself: no agency is named, and so none can be another's. What it leaves is in the logs of one's own.
    name: 'member-reset',
    act: 'codes',
    demand: 'fresh',
    action: null,
    roles: [...MEMBERS, 'outsider'],
    call: async ({ tenantId }) => ({ targetId: tenantId, body: { act: 'codes' } }),
  },
  {
    name: 'member-reset',
    act: 'left',
    demand: 'aal2',
    action: null,
    roles: [...MEMBERS, 'outsider'],
    call: async ({ tenantId }) => ({ targetId: tenantId, body: { act: 'left' } }),
  },
  {
    // A password reaches it, and a code that was never made opens nothing to anybody.
    name: 'member-reset',
    act: 'redeem',
    demand: 'session',
    action: null,
    roles: [...MEMBERS, 'outsider'],
    answers: 'recovery_code_invalid',
    call: async ({ tenantId }) => {
      return { targetId: tenantId, body: { act: 'redeem', code: 'AAAAA-AAAAA-AAAAA-AAAAA' } }
    },
  },
  {
    name: 'member-reset',
    act: 'pending',
    demand: 'session',
    action: null,
    roles: [...MEMBERS, 'outsider'],
    call: async ({ tenantId }) => ({ targetId: tenantId, body: { act: 'pending' } }),
  },
  {
    // Of oneself too, with a password: there is none to cancel, and none to finish.
    name: 'member-reset',
    act: 'cancel',
    demand: 'session',
    action: null,
    roles: [...MEMBERS, 'outsider'],
    answers: 'member_reset_unknown',
    call: async ({ tenantId }) => ({ targetId: tenantId, body: { act: 'cancel' } }),
  },
  {
    name: 'member-reset',
    act: 'finish',
    demand: 'session',
    action: null,
    roles: [...MEMBERS, 'outsider'],
    answers: 'member_reset_unknown',
    call: async ({ tenantId }) => ({ targetId: tenantId, body: { act: 'finish' } }),
  },
  {
    // Whom it is for is told to nobody: to all who may ask, one that was never made is like one that is another's.
    name: 'invitation-accept',
    demand: 'aal2',
    action: null,
    roles: [...MEMBERS, 'outsider'],
    answers: 'invitation_invalid',
    call: async ({ tenantId }) => {
      return { targetId: tenantId, body: { token: `fwinv_${randomBytes(32).toString('base64url')}` } }
    },
  },
]

/** docs/formats.md: a version 8 UUID over the label and both public halves, each with its length before it. */
function operatorKeyId(publicKey: Buffer): string {
  const hash = createHash('sha256')
  for (const field of [Buffer.from('flarewatch/operator-key/v1'), publicKey]) {
    const length = Buffer.alloc(4)
    length.writeUInt32BE(field.length)
    hash.update(length).update(field)
  }
  const bytes = hash.digest().subarray(0, 16)
  bytes.writeUInt8((bytes.readUInt8(6) & 0x0f) | 0x80, 6)
  bytes.writeUInt8((bytes.readUInt8(8) & 0x3f) | 0x80, 8)
  return bytes.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-')
}
