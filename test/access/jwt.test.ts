// Tokens by a real issuer's published keys: which are taken, as whom, and what is said of those that are not.

import { CompactSign, SignJWT } from 'jose'
import { pino } from 'pino'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createJwtVerifier } from '../../src/access/jwt.ts'
import type { JwtSettings } from '../../src/config/auth-settings.ts'
import { inSeconds, startTokenIssuer, type TokenIssuer } from '../servers/token-issuer.ts'

const log = pino({ level: 'silent' })
let issuer: TokenIssuer

beforeAll(async () => {
  issuer = await startTokenIssuer()
})

afterAll(() => issuer.stop())

const settings = (changes: Partial<JwtSettings> = {}): JwtSettings => ({
  jwksUrl: issuer.jwksUrl,
  issuer: issuer.issuer,
  audience: issuer.audience,
  algorithms: ['RS256', 'ES256'],
  clockToleranceSeconds: 0,
  ...changes,
})
const createVerifier = (changes?: Partial<JwtSettings>) =>
  createJwtVerifier(settings(changes), { log, cooldownMs: 0 })

test('a good token names its subject, its scopes and its end', async () => {
  const exp = inSeconds(60)
  const identity = await createVerifier()(await issuer.sign({ scope: 'train realtime email', exp }))
  expect(identity).toMatchObject({ caller: 'jwt:ada', name: 'ada', scopes: ['train', 'realtime'] })
  expect(identity.expiresAtMs).toBe(exp * 1000)
  expect(identity.grants('train')).toBe(true)
  expect(identity.grants('publish')).toBe(false)
})

test('scopes are read from scp too, and admin includes them all', async () => {
  const verify = createVerifier()
  expect((await verify(await issuer.sign({ scp: ['catalog:read', 'x'] }))).scopes).toEqual(['catalog:read'])
  expect((await verify(await issuer.sign({ scp: 'admin' }))).grants('publish')).toBe(true)
  expect((await verify(await issuer.sign())).scopes).toEqual([])
})

test('a new key of the issuer is taken at once, a withdrawn one no longer', async () => {
  const verify = createVerifier()
  const withdrawn = issuer.newest()
  await verify(await issuer.sign())
  await issuer.rotate({ algorithm: 'ES256', keep: true })
  await verify(await issuer.sign())
  await verify(await issuer.sign({}, withdrawn))
  await issuer.rotate()
  await verify(await issuer.sign())
  await expect(verify(await issuer.sign({}, withdrawn))).rejects.toMatchObject({
    code: 'UNAUTHENTICATED',
    message: 'The token is signed with a key that its issuer does not have',
  })
})

test('a clock that differs a little is borne with', async () => {
  const token = await issuer.sign({ exp: inSeconds(-20) })
  await expect(createVerifier()(token)).rejects.toMatchObject({ message: 'The token has expired' })
  await expect(createVerifier({ clockToleranceSeconds: 30 })(token)).resolves.toMatchObject({ name: 'ada' })
})

test('while the issuer cannot be reached its known keys go on, and otherwise the caller may try again', async () => {
  const verify = createVerifier()
  const token = await issuer.sign()
  await verify(token)
  issuer.fail(true)
  await expect(verify(token)).resolves.toMatchObject({ name: 'ada' })
  await expect(createVerifier()(token)).rejects.toMatchObject({ code: 'TIMEOUT' })
  issuer.fail(false)
})

test('a shared secret takes tokens of its own algorithm alone', async () => {
  const secret = 'a secret of thirty-two characters'
  const sign = (alg: string, key = secret) =>
    new SignJWT({ sub: 'ada', scope: 'train' })
      .setProtectedHeader({ alg })
      .setIssuer(issuer.issuer)
      .setAudience(issuer.audience)
      .setExpirationTime('1m')
      .sign(new TextEncoder().encode(key))
  const { jwksUrl: _, ...shared } = settings() as JwtSettings & { jwksUrl: string }
  const verify = createJwtVerifier({ ...shared, secret, algorithms: ['HS256'] }, { log })
  await expect(verify(await sign('HS256'))).resolves.toMatchObject({ name: 'ada', scopes: ['train'] })
  await expect(verify(await sign('HS512'))).rejects.toMatchObject({ code: 'UNAUTHENTICATED' })
  await expect(verify(await sign('HS256', 'another secret of thirty-two characters'))).rejects.toMatchObject({
    message: 'The token’s signature is wrong',
  })
  await expect(verify(await issuer.sign())).rejects.toMatchObject({ code: 'UNAUTHENTICATED' })
})

// Written by hand: 1e999 is infinite once it is read, which no signer writes.
test.each(['1e300', '1e999', '8640000000001', '-1e300'])(
  'an end that no calendar has is refused: exp %s',
  async (exp) => {
    const claims = JSON.stringify({ iss: issuer.issuer, aud: issuer.audience, sub: 'ada' })
    const { algorithm, kid, privateKey } = issuer.newest()
    const token = await new CompactSign(Buffer.from(claims.replace(/}$/, `,"exp":${exp}}`)))
      .setProtectedHeader({ alg: algorithm, kid })
      .sign(privateKey)
    const refused = await createVerifier()(token).catch((error: unknown) => error)
    expect(refused).toMatchObject({
      code: 'UNAUTHENTICATED',
      message: expect.stringMatching(/"exp"|expired/),
    })
  },
)
