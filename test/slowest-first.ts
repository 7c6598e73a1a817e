// The order of the test files: those that take long begin first, so that no worker is left alone with one at the end.

import { BaseSequencer, type TestSpecification } from 'vitest/node'

/** From the slowest on. One that is missing here only costs time. */
const slowest = [
  'warehouse/locality',
  'fuzz/promise/promise',
  'publish/erasure',
  'warehouse/lakes',
  'e2e/warehouse-away',
  'clients/python',
  'publish/service',
  'operations/backup/backup',
  'online/redis-failover',
  'e2e/stopping',
  'e2e/your-own-data',
  'catalog/postgres',
  'attacks/absent-values',
  'e2e/lifecycle',
  'etl/service',
  'realtime/own-tables',
  'catalog/pglite',
  'http/hot-path',
  'freshness/schedules',
  'attacks/etl',
  'etl/git',
  'attacks/responsive',
  'e2e/faults',
  'realtime/refresh',
  'http/browser',
  'warehouse/lookup-statements',
  'etl/hostile-results',
  'e2e/several-gateways',
  'attacks/sql',
  'catalog/migrations',
  'publish/kill',
  'operations/doctor/doctor',
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
