// The settings of authentication: whether callers are asked who they are, and whose tokens are taken.

import { BlockList, isIP } from 'node:net'
import { z } from 'zod'
import { flag, integer, list } from './setting-kinds.ts'

/** Algorithms by public keys, for tokens of a JWKS: a secret's would take a public key for it. */
const publicKeyAlgorithms = [
  'RS256',
  'RS384',
  'RS512',
  'PS256',
  'PS384',
  'PS512',
  'ES256',
  'ES384',
  'ES512',
  'EdDSA',
]
const secretAlgorithms = ['HS256', 'HS384', 'HS512']
const usualAlgorithms = { jwks: ['RS256', 'PS256', 'ES256', 'EdDSA'], secret: ['HS256'] }
/** Shorter ones are guessed. */
const shortestSecret = 32

export const authSettings = {
  AUTH: z.enum(['none', 'required', 'none-a-proxy-authenticates']).default('none'),
  JWT_JWKS_URL: z
    .string()
    .refine(isSafeJwksUrl, { error: 'must be an https URL, or an http one of this machine' })
    .optional(),
  JWT_SECRET: z
    .string()
    .min(shortestSecret, { error: `must have at least ${shortestSecret} characters` })
    .optional(),
  JWT_ISSUER: z.string().optional(),
  JWT_AUDIENCE: z.string().optional(),
  JWT_ALGORITHMS: list,
  JWT_CLOCK_TOLERANCE_SECONDS: integer(30, 0, 300),
  DOWNLOAD_LINK_SECONDS: integer(3600, 10, 604_800),
  METRICS_OPEN: flag(false),
}

const shape = z.object(authSettings)
type AuthSettings = z.infer<typeof shape>

export interface AuthConfig {
  /** False: everyone who reaches the gateway may do everything. */
  required: boolean
  /** Whether nobody is asked, and nobody in front has been: by this machine's own names alone is it reached then. */
  ownNamesOnly: boolean
  /** Null: API keys alone are taken. */
  jwt: JwtSettings | null
  /** How long a download's link is good. */
  downloadLinkSeconds: number
  /** Whether everyone may read /metrics, be it that callers sign in otherwise. */
  openMetrics: boolean
}

export type JwtSettings = {
  issuer: string
  audience: string
  algorithms: readonly string[]
  clockToleranceSeconds: number
} & ({ jwksUrl: string } | { secret: string })

const loopback = new BlockList()
loopback.addSubnet('127.0.0.0', 8, 'ipv4')
loopback.addAddress('::1', 'ipv6')

/** Whether this machine's own processes alone can reach the address. */
function isLoopback(host: string): boolean {
  const version = isIP(host)
  return version === 0 ? host === 'localhost' : loopback.check(host, version === 4 ? 'ipv4' : 'ipv6')
}

/** Whoever can change the keys on their way can sign tokens. */
function isSafeJwksUrl(text: string): boolean {
  if (!URL.canParse(text)) return false
  const { protocol, hostname } = new URL(text)
  return protocol === 'https:' || (protocol === 'http:' && isLoopback(hostname.replace(/^\[|\]$/g, '')))
}

/** What is wrong with the settings as a whole, each fault under a setting's name. */
export function faultsOfAuth(given: AuthSettings & { HOST: string }): [name: string, message: string][] {
  const faults = faultsOfTokens(given)
  if (given.AUTH === 'none' && !isLoopback(given.HOST)) {
    faults.push([
      'HOST',
      'whoever reaches this address could do everything, for nobody is asked who they are. Set AUTH=required and make API keys (npm run keys), or leave HOST at 127.0.0.1; behind a proxy that lets only those through who may do everything, set AUTH=none-a-proxy-authenticates',
    ])
  }
  return faults
}

function faultsOfTokens(given: AuthSettings): [name: string, message: string][] {
  const { JWT_JWKS_URL: jwksUrl, JWT_SECRET: secret, JWT_ALGORITHMS: algorithms } = given
  const faults: [string, string][] = []
  if (jwksUrl !== undefined && secret !== undefined)
    faults.push(['JWT_JWKS_URL', 'set this or JWT_SECRET, not both: tokens have one kind of signature'])
  if (jwksUrl !== undefined || secret !== undefined) {
    if (given.AUTH !== 'required')
      faults.push(['AUTH', 'tokens are asked for with AUTH=required: set it too'])
    if (given.JWT_ISSUER === undefined)
      faults.push(['JWT_ISSUER', 'tokens need it: what their claim "iss" must be'])
    if (given.JWT_AUDIENCE === undefined)
      faults.push([
        'JWT_AUDIENCE',
        'tokens need it: what their claim "aud" must hold, a name of this gateway',
      ])
  }
  const allowed = secret === undefined ? publicKeyAlgorithms : secretAlgorithms
  const wrong = algorithms.filter((name) => !allowed.includes(name))
  if (wrong.length > 0)
    faults.push(['JWT_ALGORITHMS', `may hold ${allowed.join(', ')}, not ${wrong.join(', ')}`])
  return faults
}

export function readAuth(given: AuthSettings): AuthConfig {
  return {
    required: given.AUTH === 'required',
    ownNamesOnly: given.AUTH === 'none',
    jwt: readJwt(given),
    downloadLinkSeconds: given.DOWNLOAD_LINK_SECONDS,
    openMetrics: given.METRICS_OPEN,
  }
}

function readJwt(given: AuthSettings): JwtSettings | null {
  const { JWT_JWKS_URL: jwksUrl, JWT_SECRET: secret, JWT_ALGORITHMS: algorithms } = given
  const shared = {
    issuer: given.JWT_ISSUER ?? '',
    audience: given.JWT_AUDIENCE ?? '',
    clockToleranceSeconds: given.JWT_CLOCK_TOLERANCE_SECONDS,
  }
  const pinned = (usual: readonly string[]) => (algorithms.length === 0 ? usual : algorithms)
  if (jwksUrl !== undefined) return { ...shared, jwksUrl, algorithms: pinned(usualAlgorithms.jwks) }
  if (secret !== undefined) return { ...shared, secret, algorithms: pinned(usualAlgorithms.secret) }
  return null
}
