import { createHash } from 'node:crypto'
import type { IRequestStrict } from 'itty-router'
import { describe, expect, it } from 'vitest'
import type { Visit } from '../visit.ts'
import { assets } from './assets.ts'

const SCRIPT = 'self.__next_f.push([1,"a < b && c"])'
const PAGE = `<!DOCTYPE html><html><head><style>p{margin:0}</style><script src="/_next/a.js" async=""></script></head>
<body><script>${SCRIPT}</script><script id="x">second()</script></body></html>`

describe('a page of the dashboard', () => {
  it('may run the inline scripts that stand in it, by hash, and no others', async () => {
    const policy = (await serve('/')).headers.get('content-security-policy') ?? ''
    expect(directive(policy, 'script-src')).toEqual(["'self'", sha256(SCRIPT), sha256('second()')])
    expect(directive(policy, 'style-src-elem')).toEqual(["'self'", sha256('p{margin:0}')])
    expect(directive(policy, 'default-src')).toEqual(["'none'"])
    expect(directive(policy, 'frame-ancestors')).toEqual(["'none'"])
    expect(directive(policy, 'connect-src')).toEqual(["'self'", 'https://project.supabase.example'])
  })

  it('is answered whole even when the browser has a copy, so that the policy can be read from it', async () => {
    const response = await serve('/overview', { 'if-none-match': '"page"' })
    expect(response.status).toBe(200)
    expect(await response.text()).toBe(PAGE)
    expect(response.headers.has('etag')).toBe(false)
  })

  it('keeps its status when it is the page for nothing found', async () => {
    const response = await serve('/missing')
    expect(response.status).toBe(404)
    expect(directive(response.headers.get('content-security-policy') ?? '', 'script-src')).toContain(sha256(SCRIPT))
  })

  it('leaves other files to the asset store, with revalidation', async () => {
    expect((await serve('/_next/a.js', { 'if-none-match': '"script"' })).status).toBe(304)
  })
})

async function serve(path: string, headers: Record<string, string> = {}): Promise<Response> {
  const url = new URL(path, 'https://flarewatch.example')
  const request = Object.assign(new Request(url, { headers }), { route: '*', params: {}, query: {} })
  const bindings = { ASSETS: { fetch: store }, SUPABASE_URL: 'https://project.supabase.example' }
  const response = await assets(request as IRequestStrict, { bindings, url } as unknown as Visit)
  if (response === undefined) throw new Error('no response')
  return response
}

async function store(request: Request): Promise<Response> {
  if (request.headers.has('if-none-match')) return new Response(null, { status: 304 })
  if (request.url.endsWith('.js')) return new Response('0', { headers: { 'content-type': 'text/javascript' } })
  const headers = { 'content-type': 'text/html; charset=utf-8', etag: '"page"' }
  return new Response(PAGE, { status: request.url.endsWith('/missing') ? 404 : 200, headers })
}

function directive(policy: string, name: string): string[] {
  const found = policy.split('; ').find((part) => part.startsWith(`${name} `))
  return found?.split(' ').slice(1) ?? []
}

function sha256(text: string): string {
  return `'sha256-${createHash('sha256').update(text).digest('base64')}'`
}
