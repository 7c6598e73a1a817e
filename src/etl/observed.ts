// An ETL engine whose runs are timed and traced.

import type { Metrics } from '../telemetry/metrics.ts'
import { observe } from '../telemetry/observe.ts'
import type { EtlEngine, RunnableEtl } from './engine.ts'

export function observeEtlEngine(engine: EtlEngine, { etlSeconds }: Metrics['stores']): EtlEngine {
  const observed = <T>(what: string, { name, language }: RunnableEtl, work: () => Promise<T>) =>
    observe(
      {
        span: `etl ${what}`,
        attributes: { 'gateway.etl.name': name, 'gateway.etl.language': language },
        seconds: (outcome) => etlSeconds(what, language, outcome),
      },
      work,
    )

  return {
    ...engine,
    check: (source) => observed('check', source, () => engine.check(source)),
    runFile: (request) => observed('file', request.etl, () => engine.runFile(request)),
    runGroups: (request) => observed('groups', request.etl, () => engine.runGroups(request)),
  }
}
