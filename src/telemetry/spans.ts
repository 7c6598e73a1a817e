// Spans: what a trace tells of the gateway's work. Where nothing is traced, they cost a look at the context and are not made.

import {
  type Attributes,
  context,
  type Link,
  propagation,
  ROOT_CONTEXT,
  type Span,
  SpanKind,
  SpanStatusCode,
  TraceFlags,
  trace,
} from '@opentelemetry/api'
import { withoutSecrets } from '../config/secrets.ts'
import { AppError, messageOf } from '../errors.ts'

/** Gives real spans from the moment that sdk.ts has started the SDK. */
const tracer = trace.getTracer('feature-gateway')

interface SpanOptions {
  kind?: SpanKind
  attributes?: Attributes
  links?: Link[]
}

/** The span that the caller works in, if its trace is sampled. It may have ended: what it began can go on. */
export function activeSpan(): Span | undefined {
  const span = trace.getActiveSpan()
  return span && (span.spanContext().traceFlags & TraceFlags.SAMPLED) !== 0 ? span : undefined
}

/** Runs the work in a span: of the trace that the caller works in, else of a new one. */
export function inSpan<T>(name: string, options: SpanOptions, work: () => Promise<T>): Promise<T> {
  return tracer.startActiveSpan(name, options, (span) => toEnd(span, work))
}

/** A step of what is traced; nothing is made of it where nothing is. */
export function step<T>(name: string, options: SpanOptions, work: () => Promise<T>): Promise<T> {
  return activeSpan() === undefined ? work() : inSpan(name, options, work)
}

/**
 * Work that is done once for many: a step of the first one's trace, linked with all the others in both directions, so
 * that each trace leads to it.
 */
export function sharedStep<T>(
  name: string,
  callers: readonly { span: Span | undefined }[],
  options: SpanOptions,
  work: () => Promise<T>,
): Promise<T> {
  if (!callers.some(({ span }) => span !== undefined)) return work()
  const [first, ...others] = new Set(callers.flatMap(({ span }) => span ?? []))
  if (first === undefined) return work()
  const links = others.map((span) => ({ context: span.spanContext() }))
  return tracer.startActiveSpan(name, { ...options, links }, trace.setSpan(ROOT_CONTEXT, first), (span) => {
    for (const caller of others) caller.addLink({ context: span.spanContext() })
    return toEnd(span, work)
  })
}

/** The active trace as W3C's header has it, to be kept with work that is done later; nothing where nothing is traced. */
export function traceparent(): { traceparent?: string } {
  const carrier: { traceparent?: string } = {}
  propagation.inject(context.active(), carrier)
  return carrier
}

/** A trace of its own, linked to the one that asked for the work. */
export function inCallersSpan<T>(
  name: string,
  options: SpanOptions,
  carrier: { traceparent?: string },
  work: () => Promise<T>,
): Promise<T> {
  const caller = trace.getSpanContext(propagation.extract(ROOT_CONTEXT, carrier))
  return context.with(ROOT_CONTEXT, () =>
    inSpan(name, { ...options, ...(caller && { links: [{ context: caller }] }) }, work),
  )
}

/** A call of another system, seen from here. */
export const call = { kind: SpanKind.CLIENT } as const

/** Has the function run in the context that the caller works in, wherever it is called from. */
export function bound<F extends (...args: never[]) => unknown>(run: F): F {
  return context.bind(context.active(), run)
}

async function toEnd<T>(span: Span, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    noteFailure(span, error)
    throw error
  } finally {
    span.end()
  }
}

function noteFailure(span: Span, error: unknown) {
  const code = error instanceof AppError ? error.code : 'INTERNAL'
  span.setAttribute('error.type', code)
  span.setStatus({ code: SpanStatusCode.ERROR, message: withoutSecrets(messageOf(error)) })
}
