// The order of the test files: those that take long begin first, so that no worker is left alone with one at the end.

import { BaseSequencer, type TestSpecification } from 'vitest/node'

/** From the slowest on. One that is missing here only costs time. */
const slowest = [
  'publish/service',
  'publish/kill',
  'e2e/warehouse-away',
  'e2e/stopping',
  'fuzz/promise/promise',
  'warehouse/locality',
  'warehouse/lookup-statements',
  'backup/backup',
  'catalog/pglite',
  'catalog/postgres',
  'online/redis-failover',
  'e2e/lifecycle',
  'e2e/faults',
  'doctor/doctor',
  'attacks/connections',
  'realtime/full-refresh',
  'training/handed-back',
  'e2e/demo',
  'e2e/several-gateways',
  'e2e/schema-changes',
].map((name) => `/test/${name}.test.ts`)

export default class SlowestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]) {
    const others = await super.sort(files)
    const rank = ({ moduleId }: TestSpecification) => {
      const at = slowest.findIndex((path) => moduleId.endsWith(path))
      return at < 0 ? slowest.length : at
    }
    return others.sort((a, b) => rank(a) - rank(b))
  }
}
