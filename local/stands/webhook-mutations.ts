import { createHash, createHmac } from 'node:crypto'
import type { WebhookProvider } from '../../domain/webhooks/judge.ts'
import type { Delivery } from './webhook-deliveries.ts'

export type Mutation = { readonly name: string; readonly delivery: Delivery }
type Texts = Readonly<Record<string, (text: string) => string>>

/** Everything that can be wrong with one good delivery, a thing at a time: each of its headers, the parts of them, and its body. */
export function mutationsOf(provider: WebhookProvider, good: Delivery, secret: string): Mutation[] {
  const headers = provider === 'stripe' ? stripeHeaders(good, secret) : svixHeaders(good, secret)
  const missing = Object.keys(good.headers).map((name) => without(good, name))
  return [...missing, ...headers, ...bodies(good)]
}

function without({ headers, body }: Delivery, name: string): Mutation {
  const { [name]: _, ...rest } = headers
  return { name: `without ${name}`, delivery: { headers: rest, body } }
}

function each(good: Delivery, header: string, texts: Texts): Mutation[] {
  const value = good.headers[header] ?? ''
  return Object.entries(texts).map(([name, change]) => ({
    name: `${header}: ${name}`,
    delivery: { ...good, headers: { ...good.headers, [header]: change(value) } },
  }))
}

const hmac = (algorithm: string, key: string | Buffer, text: string) => createHmac(algorithm, key).update(text).digest()
const TIME = /\d{10}/
const moved = (seconds: number) => (text: string) => text.replace(TIME, (time) => String(Number(time) + seconds))

/** What may be done to the digits of a time, in either provider's header. */
const TIMES: Texts = {
  'a second later': moved(1),
  'a second earlier': moved(-1),
  'long ago': moved(-301),
  'far ahead': moved(301),
  'in milliseconds': (text) => text.replace(TIME, '$&000'),
  'with a leading nought': (text) => text.replace(TIME, '0$&'),
  'with a fraction': (text) => text.replace(TIME, '$&.0'),
  'with an exponent': (text) => text.replace(TIME, '$&e0'),
  'with letters behind': (text) => text.replace(TIME, '$&abc'),
  'with a sign': (text) => text.replace(TIME, '+$&'),
  negative: (text) => text.replace(TIME, '-$&'),
  hexadecimal: (text) => text.replace(TIME, (time) => `0x${Number(time).toString(16)}`),
  'no number': (text) => text.replace(TIME, 'NaN'),
  nothing: (text) => text.replace(TIME, ''),
}

function stripeHeaders(good: Delivery, secret: string): Mutation[] {
  const header = 'stripe-signature'
  const [, time = '', hex = ''] = /^t=(\d+),v1=([0-9a-f]{64})$/.exec(good.headers[header] ?? '') ?? []
  const as = (signature: string) => () => `t=${time},v1=${signature}`
  const signed = `${time}.${good.body}`
  return each(good, header, {
    ...TIMES,
    'without its time': () => `v1=${hex}`,
    'with its time twice': (text) => `t=${time},${text}`,
    'with another time before': (text) => `t=${Number(time) + 1},${text}`,
    'without its signature': () => `t=${time}`,
    'as another scheme': () => `t=${time},v0=${hex}`,
    'as a newer scheme': () => `t=${time},v2=${hex}`,
    'in another case of names': () => `T=${time},V1=${hex}`,
    'in upper-case digits': () => `t=${time},v1=${hex.toUpperCase()}`,
    'with a space': () => `t=${time}, v1=${hex}`,
    'with a space in it': () => `t=${time},v1= ${hex}`,
    'with a tab': () => `t=${time},\tv1=${hex}`,
    'behind semicolons': () => `t=${time};v1=${hex}`,
    'behind colons': () => `t:${time},v1:${hex}`,
    'in quotes': () => `t="${time}",v1="${hex}"`,
    'URL-encoded': (text) => encodeURIComponent(text),
    'cut by a digit': as(hex.slice(1)),
    'cut to half': as(hex.slice(0, 32)),
    'longer by a digit': as(`${hex}0`),
    'with its first digit changed': as(flipped(hex, 0)),
    'with its last digit changed': as(flipped(hex, 63)),
    'of noughts': as('0'.repeat(64)),
    'turned round': as([...hex].reverse().join('')),
    'in base64': as(Buffer.from(hex, 'hex').toString('base64')),
    'of the body alone': as(hmac('sha256', secret, good.body).toString('hex')),
    'joined by nothing': as(hmac('sha256', secret, `${time}${good.body}`).toString('hex')),
    'by SHA-1': as(hmac('sha1', secret, signed).toString('hex')),
    'by SHA-512': as(hmac('sha512', secret, signed).toString('hex')),
    'by SHA-512, cut': as(hmac('sha512', secret, signed).toString('hex').slice(0, 64)),
    'by a bare hash': as(createHash('sha256').update(`${secret}${signed}`).digest('hex')),
    'by the secret without its prefix': as(hmac('sha256', secret.slice(6), signed).toString('hex')),
    'by the secret in another case': as(hmac('sha256', secret.toUpperCase(), signed).toString('hex')),
    'by no secret': as(hmac('sha256', '', signed).toString('hex')),
    'behind sixteen others': (text) => `${text.replace(/v1=.*/, '')}${`v1=${'ab'.repeat(32)},`.repeat(16)}v1=${hex}`,
    empty: () => '',
  })
}

function svixHeaders(good: Delivery, secret: string): Mutation[] {
  const [id = '', time = ''] = [good.headers['svix-id'], good.headers['svix-timestamp']]
  const [signature = ''] = (good.headers['svix-signature'] ?? '').split(',').slice(1)
  const key = Buffer.from(secret.slice(6), 'base64')
  const as = (text: string) => () => `v1,${text}`
  const signed = `${id}.${time}.${good.body}`
  return [
    ...each(good, 'svix-timestamp', TIMES),
    ...each(good, 'svix-id', {
      'of another event': (text) => `${text}x`,
      'in another case': (text) => text.toUpperCase(),
      cut: (text) => text.slice(0, -1),
      'sent twice': (text) => `${text}, ${text}`,
      'with the time in it': (text) => `${text}.${time}`,
      'with a full stop': (text) => `${text}.`,
      empty: () => '',
    }),
    ...each(good, 'svix-signature', {
      'of another scheme': () => `v2,${signature}`,
      'of the asymmetric scheme': () => `v1a,${signature}`,
      'in another case of its name': () => `V1,${signature}`,
      'without its scheme': () => signature,
      'behind an equals sign': () => `v1=${signature}`,
      'with a space': () => `v1, ${signature}`,
      'in another case': () => `v1,${signature.toLowerCase()}`,
      'without its padding': () => `v1,${signature.replace(/=+$/, '')}`,
      'in the URL’s alphabet': () => `v1,${Buffer.from(signature, 'base64').toString('base64url')}`,
      'in hexadecimal': () => `v1,${Buffer.from(signature, 'base64').toString('hex')}`,
      'URL-encoded': (text) => encodeURIComponent(text),
      'in quotes': (text) => `"${text}"`,
      cut: () => `v1,${signature.slice(4)}`,
      longer: () => `v1,AAAA${signature}`,
      'with its first character changed': as(flipped(signature, 0)),
      'of noughts': as(Buffer.alloc(32).toString('base64')),
      'of the body alone': as(hmac('sha256', key, good.body).toString('base64')),
      'without its id': as(hmac('sha256', key, `${time}.${good.body}`).toString('base64')),
      'by SHA-1': as(hmac('sha1', key, signed).toString('base64')),
      'by SHA-512': as(hmac('sha512', key, signed).toString('base64')),
      'by a bare hash': as(createHash('sha256').update(key).update(signed).digest('base64')),
      'by the text of the secret': as(hmac('sha256', secret, signed).toString('base64')),
      'by no secret': as(hmac('sha256', '', signed).toString('base64')),
      'behind sixteen others': () => `${`v1,${Buffer.alloc(32, 7).toString('base64')} `.repeat(16)}v1,${signature}`,
      empty: () => '',
    }),
  ]
}

/** One of each kind of byte that JSON is made of, and what a proxy or an editor does to a text. */
const BODIES: Texts = {
  'a letter in another case': (text) => text.replace('type', 'Type'),
  'another letter': (text) => text.replace('type', 'tape'),
  'another digit': (text) => text.replace(/\d/, (digit) => String((Number(digit) + 1) % 10)),
  'another quote': (text) => text.replace('"', "'"),
  'another bracket': (text) => text.replace('{', '['),
  'a comma more': (text) => text.replace('}', ',}'),
  'a space before': (text) => ` ${text}`,
  'a space in it': (text) => text.replace(':', ': '),
  'a space behind': (text) => `${text} `,
  'a newline behind': (text) => `${text}\n`,
  'a byte order mark': (text) => `\u{feff}${text}`,
  'a nought behind': (text) => `${text}\0`,
  'a letter beyond ASCII': (text) => text.replace('e', 'е'),
  'an escaped letter': (text) => text.replace('type', '\\u0074ype'),
  'indented anew': (text) => JSON.stringify(JSON.parse(text), null, 2),
  'its members in another order': (text) =>
    JSON.stringify(Object.fromEntries(Object.entries(JSON.parse(text) as object).reverse())),
  'cut by a byte': (text) => text.slice(0, -1),
  'cut to half': (text) => text.slice(0, text.length / 2),
  twice: (text) => text + text,
  'in base64': (text) => Buffer.from(text).toString('base64'),
  empty: () => '',
}

function bodies(good: Delivery): Mutation[] {
  return Object.entries(BODIES).map(([name, change]) => ({
    name: `body: ${name}`,
    delivery: { ...good, body: change(good.body) },
  }))
}

function flipped(text: string, at: number): string {
  return `${text.slice(0, at)}${text[at] === 'a' ? 'b' : 'a'}${text.slice(at + 1)}`
}
