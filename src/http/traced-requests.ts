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
import { inSpan } from '../telemetry/spans.ts'
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

function startSpan(request: IncomingMessage, path: string): Span {
  const method = request.method ?? 'GET'
  const attributes = { 'http.request.method': method, 'url.path': path }
  return tracer.startSpan(`${method} request`, { kind: SpanKind.SERVER, attributes }, callersContext(request))
}

function endSpan(span: Span, response: ServerResponse) {
  span.setAttribute('http.response.status_code', response.statusCode)
  if (response.statusCode >= 500) span.setStatus({ code: SpanStatusCode.ERROR })
  if (!response.writableFinished) span.setAttribute('gateway.client_left', true)
  span.end()
}

/** The context that a request's headers name. */
function callersContext({ headers }: IncomingMessage) {
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
