// An online store whose calls are counted, timed and traced.

import type { Metrics } from '../telemetry/metrics.ts'
import { observe, timed } from '../telemetry/observe.ts'
import type { OnlineStore } from './port.ts'

/** Reads are traced by whoever gathers them: one serves many. */
export function observeOnlineStore(
  store: OnlineStore,
  { onlineSeconds, onlineValues }: Metrics['stores'],
): OnlineStore {
  const [valuesRead, valuesWritten] = [onlineValues('read'), onlineValues('write')]
  const readSeconds = onlineSeconds('read', 'OK')
  const ofRead = (outcome: string) => (outcome === 'OK' ? readSeconds : onlineSeconds('read', outcome))
  const observed = <T>(name: string, work: () => Promise<T>) =>
    observe(
      {
        span: `online ${name}`,
        attributes: { 'db.system.name': store.name, 'db.operation.name': name },
        seconds: (outcome) => onlineSeconds(name, outcome),
      },
      work,
    )

  return {
    ...store,
    read(requests) {
      let values = 0
      for (const request of requests) values += request.values.length
      valuesRead.observe(values)
      return timed(ofRead, () => store.read(requests))
    },
    write(view, entries) {
      valuesWritten.observe(entries.length)
      return observed('write', () => store.write(view, entries))
    },
    raiseWatermark: (view, version) => observed('raise watermark', () => store.raiseWatermark(view, version)),
    removeBelow: (view, version) => observed('remove', () => store.removeBelow(view, version)),
    removeDroppable: (view, keys) => observed('drop', () => store.removeDroppable(view, keys)),
    dropView: (view) => observed('drop view', () => store.dropView(view)),
    sample: (view, count) => observed('sample', () => store.sample(view, count)),
  }
}
