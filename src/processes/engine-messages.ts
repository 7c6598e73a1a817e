// What the gateway and a process that runs an engine say to each other, and how errors and lines of the log pass between them.

import type { Logger } from 'pino'
import { ConfigError } from '../config/config-error.ts'
import { AppError, type ErrorCode, messageOf } from '../errors.ts'

/** `open` comes first, once. A call of `next` asks for a stream's next batch; `end` says that no more are wanted. */
export type Request =
  | { id: number; method: string; request: unknown }
  | { id: number; control: 'abort' | 'next' | 'end' }

export type Reply =
  | { id: number; result: unknown; hasBatches: boolean }
  | { id: number; batch: unknown }
  | { id: number; done: true }
  | { id: number; failure: Failure }
  | { id: number; progress: unknown }
  /** A line of the process's log, as pino writes it. */
  | { log: string }
  /** The process has outgrown its memory and ends itself. */
  | { outgrown: number }

export interface Failure {
  message: string
  stack: string | undefined
  name: string
  code: unknown
  details: Record<string, unknown> | undefined
  cause: Failure | undefined
}

export function toFailure(error: unknown): Failure {
  const given = error instanceof Error ? error : new Error(String(error))
  return {
    message: given.message,
    stack: given.stack,
    name: given.name,
    code: Reflect.get(given, 'code'),
    details: given instanceof AppError ? given.details : undefined,
    cause: given.cause === undefined ? undefined : toFailure(given.cause),
  }
}

/** An AppError is one again; of any other error, its words and where it was thrown. */
export function fromFailure({ message, stack, name, code, details, cause }: Failure): Error {
  const options = cause === undefined ? {} : { cause: fromFailure(cause) }
  if (name === 'AppError')
    return new AppError(code as ErrorCode, message, { ...options, ...(details && { details }) })
  if (name === 'ConfigError') return new ConfigError(message, options)
  const error = new Error(message, options)
  return Object.assign(error, { name, ...(code !== undefined && { code }), ...(stack && { stack }) })
}

/** A line as pino writes it in the process, into the gateway's own log. */
export function passLogOn(line: string, log: Logger): void {
  try {
    const { level, msg, time: _, ...fields } = JSON.parse(line) as Record<string, unknown>
    if (Number(level) >= 50) log.error(fields, String(msg))
    else if (Number(level) >= 40) log.warn(fields, String(msg))
    else log.info(fields, String(msg))
  } catch (error) {
    log.warn(`A line of a process's log could not be read: ${messageOf(error)}`)
  }
}
