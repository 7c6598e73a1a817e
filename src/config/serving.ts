// The settings of how the gateway serves: where it listens, for whom, in which forms, and how it tells of itself.

import { resolve } from 'node:path'
import { z } from 'zod'
import { flag, integer, list } from './setting-kinds.ts'

const logLevels = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'] as const

/** Not `*`: whoever opens a page of any site would lend it this gateway. */
function isOrigin(text: string): boolean {
  return URL.canParse(text) && new URL(text).origin === text
}

export const servingSettings = {
  HOST: z.string().default('127.0.0.1'),
  PORT: integer(4000, 0, 65535),
  LOG_LEVEL: z.enum(logLevels).default('info'),
  TRUST_PROXY: flag(false),
  CORS_ORIGINS: list.refine((origins) => origins.every(isOrigin), {
    error: 'must be origins as browsers name them, such as https://app.example.com, separated by commas',
  }),
  INTROSPECTION: flag(true),
  GRAPHIQL: flag(true),
  GRAPHQL_GET: flag(true),
  TRUSTED_DOCUMENTS: z.enum(['off', 'prefer', 'only']).default('off'),
  TRUSTED_DOCUMENTS_FILE: list,
  WORKERS: integer(1, 1, 64),
  DRAIN_SECONDS: integer(0, 0, 3600),
  OTEL_EXPORTER_OTLP_ENDPOINT: z.url({ protocol: /^https?$/ }).optional(),
  OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: z.url({ protocol: /^https?$/ }).optional(),
  OTEL_SDK_DISABLED: flag(false),
}

const shape = z.object(servingSettings)
type ServingSettings = z.infer<typeof shape>

export interface ServingConfig {
  host: string
  port: number
  logLevel: (typeof logLevels)[number]
  /** Whether X-Forwarded-Proto and X-Forwarded-Host say how clients reach the gateway. Only behind a proxy that sets them. */
  trustProxy: boolean
  /** Origins (`https://app.example.com`) whose pages may use the gateway from a browser. */
  corsOrigins: readonly string[]
  graphql: {
    /** Whether clients may ask for the schema, and errors suggest its names. */
    introspection: boolean
    /** Whether browsers are given GraphiQL; it is of no use without introspection, or with trusted documents only. */
    graphiql: boolean
    /** Whether queries are taken by GET. */
    get: boolean
    /** `prefer` takes documents by their id, `only` takes no others. Absolute paths of the manifests that name them. */
    trustedDocuments: { mode: 'off' | 'prefer' | 'only'; files: readonly string[] }
  }
  /** Processes that share the port, each a gateway of its own on the same stores. */
  workers: number
  /** Between the signal to stop and the closing of the port: for balancers to notice that /readyz says 503. */
  drainMs: number
  /** Whether traces are sent; where to and how, the OTEL_… variables tell. */
  tracing: boolean
}

/** What is wrong with the settings as a whole, each fault under a setting's name. */
export function faultsOfServing(given: ServingSettings): [name: string, message: string][] {
  if ((given.TRUSTED_DOCUMENTS === 'off') === (given.TRUSTED_DOCUMENTS_FILE.length === 0)) return []
  return [
    ['TRUSTED_DOCUMENTS', 'goes with TRUSTED_DOCUMENTS_FILE, the manifests to trust: set both or neither'],
  ]
}

export function readServing(given: ServingSettings): ServingConfig {
  return {
    host: given.HOST,
    port: given.PORT,
    logLevel: given.LOG_LEVEL,
    trustProxy: given.TRUST_PROXY,
    corsOrigins: given.CORS_ORIGINS,
    graphql: {
      introspection: given.INTROSPECTION,
      graphiql: given.INTROSPECTION && given.GRAPHIQL && given.TRUSTED_DOCUMENTS !== 'only',
      get: given.GRAPHQL_GET,
      trustedDocuments: {
        mode: given.TRUSTED_DOCUMENTS,
        files: given.TRUSTED_DOCUMENTS_FILE.map((path) => resolve(path)),
      },
    },
    workers: given.WORKERS,
    drainMs: given.DRAIN_SECONDS * 1000,
    tracing:
      !given.OTEL_SDK_DISABLED &&
      (given.OTEL_EXPORTER_OTLP_ENDPOINT ?? given.OTEL_EXPORTER_OTLP_TRACES_ENDPOINT) !== undefined,
  }
}
