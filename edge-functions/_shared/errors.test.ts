import { EDGE_ERRORS } from 'domain/contracts/edge-door.ts'
import { FUNCTION_ERRORS } from 'domain/contracts/functions.ts'
import { expect, test } from 'vitest'
import { errorResponse, isErrorCode, logLine, Refused } from './errors.ts'

const REQUEST_ID = '0193b0a0-0000-7000-8000-000000000000'

test.each(Object.entries({ ...EDGE_ERRORS, ...FUNCTION_ERRORS }))(
  '%s has its status and says what to do',
  async (code, status) => {
    if (!isErrorCode(code)) throw new Error(code)
    const response = errorResponse(new Refused(code), REQUEST_ID)
    const { error } = await response.json()
    expect(response.status).toBe(status)
    expect(error).toEqual({ code, message: expect.stringMatching(/^[A-Z].{10,}\.$/), request_id: REQUEST_ID })
  },
)

test('V5: an unexpected error says nothing of what it met, neither to the caller nor in the log', async () => {
  const error = new SyntaxError('Unexpected token in "cfut_secret"')
  expect(await errorResponse(error, REQUEST_ID).text()).not.toContain('cfut_secret')
  expect(logLine(error, REQUEST_ID, 'credential-store')).not.toContain('cfut_secret')
  expect(JSON.parse(logLine(error, REQUEST_ID, 'credential-store'))).toMatchObject({
    code: 'internal',
    kind: 'SyntaxError',
  })
})
