// The gateway's log: JSON lines, or readable ones on a terminal; each with the request and the trace that it belongs to, none with a password.

import { trace } from '@opentelemetry/api'
import { type DestinationStream, type Logger, pino } from 'pino'
import type { Config } from '../config/config.ts'
import { withoutSecrets } from '../config/secrets.ts'
import { currentRequestId } from './request-id.ts'

/** What holds credentials by its name, in what is logged as an object and one level deeper. */
const names = ['password', 'authorization', 'cookie', 'token', 'secret', 'apiKey']
const redact = {
  paths: ['*', '*.headers', 'req.headers']
    .flatMap((place) => names.map((name) => `${place}.${name}`))
    .concat(names, 'req.headers["x-api-key"]', '*.headers["x-api-key"]'),
  censor: '***',
}

interface LogOptions {
  readable: boolean
  /** Standard output, unless given. */
  destination?: DestinationStream
}

export function createLog(level: Config['logLevel'], { readable, destination }: LogOptions): Logger {
  const options = { level, redact, mixin, hooks: { streamWrite: withoutSecrets } }
  if (destination !== undefined) return pino(options, destination)
  if (!readable) return pino(options)
  const transport = { target: 'pino-pretty', options: { ignore: 'pid,hostname', translateTime: 'HH:MM:ss' } }
  return pino({ ...options, transport })
}

/** What a line says itself goes before this. */
function mixin(): Record<string, string> {
  const requestId = currentRequestId()
  const span = trace.getActiveSpan()?.spanContext()
  return {
    ...(requestId !== undefined && { requestId }),
    ...(span && { trace_id: span.traceId, span_id: span.spanId }),
  }
}
