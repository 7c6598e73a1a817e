// A span for each request, of the trace that its caller began (W3C traceparent) or of a new one.

import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import {
  type Context,
  context,
  propagation,
  ROOT_CONTEXT,
  type Span,
  SpanKind,
  SpanStatusCode,
  trace,
} from '@opentelemetry/api'
import { inSpan } from '../../telemetry/spans.ts'
import type { Requester } from '../guards/identities.ts'
import { handleFirst } from './handle-first.ts'

const tracer = trace.getTracer('feature-gateway')

const contexts = new WeakMap<IncomingMessage, Context>()

/** What is asked every few seconds by whoever watches over the gateway tells nothing. */
const untraced = new Set(['/healthz', '/readyz', '/metrics'])

/** Puts the span before whatever handles requests by now. */
export function traceRequests(server: Server) {
  handleFirst(server, (request, response, goOn) => {
    const path = (request.url ?? '').split('?', 1)[0] ?? ''
    if (untraced.has(path)) return goOn()
    const span = startSpan(request, path)
    response.once('close', () => endSpan(span, response))
    const traced = trace.setSpan(context.active(), span)
    contexts.set(request, traced)
    context.with(traced, goOn)
  })
}

function startSpan(
  { method = 'GET', headers }: Pick<IncomingMessage, 'method' | 'headers'>,
  path: string,
): Span {
  const attributes = { 'http.request.method': method, 'url.path': path }
  return tracer.startSpan(
    `${method} request`,
    { kind: SpanKind.SERVER, attributes },
    callersContext({ headers }),
  )
}

/** For what is answered past the server: null is passed through, and leaves no span. */
export function tracedAnswer<Answer extends { status: number }>(
  path: string,
  { headers }: Requester,
  work: () => Promise<Answer> | null,
): Promise<Answer> | null {
  const span = startSpan({ method: 'POST', headers }, path)
  const answer = context.with(trace.setSpan(context.active(), span), work)
  answer?.then(
    ({ status }) => end(span, status),
    () => end(span, 500),
  )
  return answer
}

function endSpan(span: Span, response: ServerResponse) {
  if (!response.writableFinished) span.setAttribute('gateway.client_left', true)
  end(span, response.statusCode)
}

function end(span: Span, status: number) {
  span.setAttribute('http.response.status_code', status)
  if (status >= 500) span.setStatus({ code: SpanStatusCode.ERROR })
  span.end()
}

/** The context that a request's headers name. */
function callersContext({ headers }: Pick<IncomingMessage, 'headers'>) {
  return propagation.extract(ROOT_CONTEXT, headers)
}

/** For what is asked on a socket: a span of the trace that the socket's request named. */
export function inCallersTrace<T>(
  request: IncomingMessage,
  name: string,
  work: () => Promise<T>,
): Promise<T> {
  return context.with(callersContext(request), () => inSpan(name, { kind: SpanKind.SERVER }, work))
}

/** Back into a request's trace, after its body came in by events of its connection. */
export function inRequestsTrace(request: IncomingMessage, work: () => void) {
  context.with(contexts.get(request) ?? context.active(), work)
}

/** What is known of a request's span once it is clear what it asks for: a route, or a GraphQL operation. */
export function nameRequest(attributes: Record<string, string>) {
  trace.getActiveSpan()?.setAttributes(attributes)
}
