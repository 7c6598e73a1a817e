// The order of the test files: those that take long begin first, so that no worker is left alone with one at the end.

import { BaseSequencer, type TestSpecification } from 'vitest/node'

/** From the slowest on. One that is missing here only costs time. */
const slowest = [
  'e2e/warehouse-away',
  'publish/service',
  'e2e/stopping',
  'online/redis-failover',
  'catalog/pglite',
  'e2e/faults',
  'catalog/postgres',
  'etl/git',
  'publish/kill',
  'fuzz/promise/promise',
  'doctor/doctor',
  'realtime/refresh',
  'e2e/lifecycle',
  'backup/backup',
  'catalog/migrations',
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
