type Env = { readonly EVENTS: Queue }

/** The least that a Worker can do with a webhook and still not lose it. */
export default {
  async fetch(request: Request, env: Env): Promise<Response> {
    await env.EVENTS.send(await request.text(), { contentType: 'text' })
    return new Response()
  },
  async queue(): Promise<void> {},
}
