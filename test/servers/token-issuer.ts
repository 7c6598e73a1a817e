// An issuer of JSON Web Tokens with its keys on a real HTTP server, as identity providers publish them.

import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type CryptoKey, exportJWK, generateKeyPair, type JWK, SignJWT } from 'jose'

export type TokenIssuer = Awaited<ReturnType<typeof startTokenIssuer>>

interface SigningKey {
  kid: string
  algorithm: string
  privateKey: CryptoKey
  publicJwk: JWK
}

export async function startTokenIssuer() {
  let keys = [await createKey('RS256')]
  let fetches = 0
  let isFailing = false
  const server = createServer((_request, response) => {
    fetches++
    if (isFailing) return response.writeHead(500).end()
    response.setHeader('content-type', 'application/json')
    response.end(JSON.stringify({ keys: keys.map(({ publicJwk }) => publicJwk) }))
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const audience = 'feature-gateway'
  const issuer = 'https://issuer.example'

  function newest(): SigningKey {
    const key = keys.at(-1)
    if (key === undefined) throw new Error('The issuer has no key')
    return key
  }

  return {
    jwksUrl: `http://127.0.0.1:${port}/keys`,
    issuer,
    audience,
    /** What a gateway is set to, to take this issuer's tokens. */
    settings: {
      AUTH: 'required',
      JWT_JWKS_URL: `http://127.0.0.1:${port}/keys`,
      JWT_ISSUER: issuer,
      JWT_AUDIENCE: audience,
      JWT_CLOCK_TOLERANCE_SECONDS: '0',
    },
    get fetches() {
      return fetches
    },
    newest,
    /** A good token, for a minute and without scopes, unless said otherwise. */
    sign(claims: Record<string, unknown> = {}, key = newest()): Promise<string> {
      return new SignJWT({ iss: issuer, aud: audience, sub: 'ada', exp: inSeconds(60), ...claims })
        .setProtectedHeader({ alg: key.algorithm, kid: key.kid })
        .sign(key.privateKey)
    },
    /** From then on a new key signs; the old ones are withdrawn unless they are kept. */
    async rotate({ algorithm = 'RS256', keep = false } = {}) {
      keys = [...(keep ? keys : []), await createKey(algorithm)]
    },
    fail(whether: boolean) {
      isFailing = whether
    },
    async stop() {
      server.close()
      server.closeAllConnections()
      await once(server, 'close')
    },
  }
}

async function createKey(algorithm: string): Promise<SigningKey> {
  const { privateKey, publicKey } = await generateKeyPair(algorithm, { extractable: true })
  const kid = crypto.randomUUID()
  return { kid, algorithm, privateKey, publicJwk: { ...(await exportJWK(publicKey)), kid, alg: algorithm } }
}

/** As claims tell time. */
export function inSeconds(seconds: number): number {
  return Math.floor(Date.now() / 1000) + seconds
}
