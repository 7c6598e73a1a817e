// Sends traces by OTLP over HTTP (protobuf); loaded only when the standard OTEL_… variables ask for traces.

import { context, DiagLogLevel, diag, propagation, trace } from '@opentelemetry/api'
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks'
import {
  CompositePropagator,
  getNumberFromEnv,
  getStringFromEnv,
  W3CBaggagePropagator,
  W3CTraceContextPropagator,
} from '@opentelemetry/core'
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-proto'
import {
  detectResources,
  resourceAttributesEnvDetector,
  resourceFromAttributes,
  serviceNameEnvDetector,
} from '@opentelemetry/resources'
import {
  AlwaysOffSampler,
  AlwaysOnSampler,
  BatchSpanProcessor,
  ParentBasedSampler,
  type Sampler,
  TraceIdRatioBasedSampler,
  TracerProvider,
} from '@opentelemetry/sdk-trace'
import type { Logger } from 'pino'

/** What is not sent by then when the gateway stops is lost. */
const flushWithinMs = 3000

/**
 * Where to and with which headers, the exporter reads from OTEL_EXPORTER_OTLP_… itself. Resolves once the API gives
 * real spans; `stop` sends what is left.
 */
export function startTracing(options: { version: string; instance: string; log: Logger }) {
  const { version, instance, log } = options
  const told = (message: string) => log.warn({ part: 'traces' }, message)
  diag.setLogger(
    { error: told, warn: told, info: () => {}, debug: () => {}, verbose: () => {} },
    DiagLogLevel.WARN,
  )
  const resource = resourceFromAttributes({
    'service.name': 'feature-gateway',
    'service.version': version,
    'service.instance.id': instance,
  }).merge(detectResources({ detectors: [resourceAttributesEnvDetector, serviceNameEnvDetector] }))
  const scheduledDelayMillis = getNumberFromEnv('OTEL_BSP_SCHEDULE_DELAY')
  const exporter = new OTLPTraceExporter()
  const provider = new TracerProvider({
    resource,
    sampler: chooseSampler(),
    spanProcessors: [
      new BatchSpanProcessor({
        exporter,
        ...(scheduledDelayMillis !== undefined && { scheduledDelayMillis }),
      }),
    ],
  })
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable())
  propagation.setGlobalPropagator(
    new CompositePropagator({ propagators: [new W3CTraceContextPropagator(), new W3CBaggagePropagator()] }),
  )
  trace.setGlobalTracerProvider(provider)

  return {
    async stop() {
      await provider.forceFlush({ timeoutMillis: flushWithinMs }).catch(() => undefined)
      await provider.shutdown().catch(() => undefined)
    },
  }
}

/** OTEL_TRACES_SAMPLER and its argument, as the standard names them; all that callers have not decided otherwise. */
function chooseSampler(): Sampler {
  const ratio = getNumberFromEnv('OTEL_TRACES_SAMPLER_ARG') ?? 1
  const name = getStringFromEnv('OTEL_TRACES_SAMPLER') ?? 'parentbased_always_on'
  const root = samplers[name.replace('parentbased_', '')]?.(ratio) ?? new AlwaysOnSampler()
  return name.startsWith('parentbased_') ? new ParentBasedSampler({ root }) : root
}

const samplers: Record<string, (ratio: number) => Sampler> = {
  always_on: () => new AlwaysOnSampler(),
  always_off: () => new AlwaysOffSampler(),
  traceidratio: (ratio) => new TraceIdRatioBasedSampler(ratio),
}
