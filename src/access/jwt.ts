// JSON Web Tokens: whether one is genuine, meant for this gateway and still good, and whom it names. By jose.

import { createRemoteJWKSet, errors, type JWTPayload, type JWTVerifyOptions, jwtVerify } from 'jose'
import type { Logger } from 'pino'
import type { JwtSettings } from '../config/auth-settings.ts'
import { AppError, messageOf } from '../errors.ts'
import { createIdentity, type Identity } from './identity.ts'
import { readScopes } from './scopes.ts'

/** The issuer's keys are fetched anew when they are older than this, and for a token that names an unknown one. */
const keysAgeMs = 600_000
/** …but no more often than this, whatever strangers send. */
const usualCooldownMs = 5_000
const fetchWithinMs = 5_000
/** The last moment that there is a date for. */
const lastMomentMs = 8.64e15

/** Rejects with UNAUTHENTICATED, or with TIMEOUT while the issuer's keys cannot be had. */
export type VerifyJwt = (token: string) => Promise<Identity>

export function createJwtVerifier(
  settings: JwtSettings,
  { log, cooldownMs = usualCooldownMs }: { log: Logger; cooldownMs?: number },
): VerifyJwt {
  const options: JWTVerifyOptions = {
    issuer: settings.issuer,
    audience: settings.audience,
    algorithms: [...settings.algorithms],
    clockTolerance: settings.clockToleranceSeconds,
    requiredClaims: ['exp', 'sub'],
  }
  const verify = createSignatureCheck(settings, options, cooldownMs)

  return async (token) => {
    const claims = await verify(token).catch((error: unknown) => {
      throw asRefusal(error, log)
    })
    return identityOf(claims, settings)
  }
}

function createSignatureCheck(settings: JwtSettings, options: JWTVerifyOptions, cooldownMs: number) {
  if ('secret' in settings) {
    const secret = new TextEncoder().encode(settings.secret)
    return async (token: string) => (await jwtVerify(token, secret, options)).payload
  }
  const keys = createRemoteJWKSet(new URL(settings.jwksUrl), {
    cacheMaxAge: keysAgeMs,
    cooldownDuration: cooldownMs,
    timeoutDuration: fetchWithinMs,
  })
  return async (token: string) => (await jwtVerify(token, keys, options)).payload
}

function identityOf({ sub, exp, scope, scp }: JWTPayload, { clockToleranceSeconds }: JwtSettings): Identity {
  if (typeof sub !== 'string' || sub === '' || exp === undefined) {
    throw refusal('The token names nobody: its claim "sub" must be a text')
  }
  const expiresAtMs = (exp + clockToleranceSeconds) * 1000
  if (expiresAtMs > lastMomentMs) {
    throw refusal('The token’s claim "exp" is no moment: it is counted in seconds since 1970')
  }
  return createIdentity({
    caller: `jwt:${sub}`,
    name: sub,
    scopes: readScopes([scope, scp].flatMap((claim) => readScopes(claim))),
    expiresAtMs,
  }).identity
}

function refusal(message: string, cause?: unknown): AppError {
  return new AppError('UNAUTHENTICATED', message, { cause })
}

function asRefusal(error: unknown, log: Logger): AppError {
  if (error instanceof errors.JWTExpired) return refusal('The token has expired', error)
  if (error instanceof errors.JWTClaimValidationFailed) return refusal(describeClaim(error), error)
  if (error instanceof errors.JWSSignatureVerificationFailed) {
    return refusal('The token’s signature is wrong', error)
  }
  if (error instanceof errors.JOSEAlgNotAllowed) {
    return refusal('The token is signed by an algorithm that is not taken here (JWT_ALGORITHMS)', error)
  }
  if (error instanceof errors.JWKSNoMatchingKey) {
    return refusal('The token is signed with a key that its issuer does not have', error)
  }
  if (error instanceof errors.JWKSMultipleMatchingKeys) {
    return refusal('The token does not say which of its issuer’s keys it is signed with ("kid")', error)
  }
  if (error instanceof errors.JWTInvalid || error instanceof errors.JWSInvalid) {
    return refusal('What was sent is neither an API key nor a JSON Web Token', error)
  }
  if (error instanceof errors.JOSENotSupported) {
    return refusal('The token asks for what is not supported here', error)
  }
  log.warn({ reason: messageOf(error) }, 'The keys that tokens are signed with cannot be had (JWT_JWKS_URL)')
  const message = 'Tokens cannot be checked now: the keys of their issuer cannot be had. Try again'
  return new AppError('TIMEOUT', message, { cause: error })
}

function describeClaim({ claim, reason }: errors.JWTClaimValidationFailed): string {
  if (reason === 'missing') return `The token lacks the claim "${claim}"`
  switch (claim) {
    case 'aud':
      return 'The token is meant for another audience (its claim "aud")'
    case 'iss':
      return 'The token comes from another issuer (its claim "iss")'
    case 'nbf':
      return 'The token is not good yet (its claim "nbf")'
    default:
      return `The token’s claim "${claim}" is not usable`
  }
}
