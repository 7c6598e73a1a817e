// The gateway's log: JSON lines, or readable ones on a terminal.

import { type Logger, pino } from 'pino'
import type { Config } from './config.ts'

/** Credentials in what is logged as an object; whoever logs a URL takes them out of it. */
const redact = { paths: ['*.password', '*.authorization', 'req.headers.authorization', 'req.headers.cookie'] }

export function createLog(level: Config['logLevel'], options: { readable: boolean }): Logger {
  if (!options.readable) return pino({ level, redact })
  const transport = { target: 'pino-pretty', options: { ignore: 'pid,hostname', translateTime: 'HH:MM:ss' } }
  return pino({ level, redact, transport })
}
