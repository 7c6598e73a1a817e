// What the gateway counts and times, by name: every metric of a process stands here.

import { collectDefaultMetrics, Registry } from 'prom-client'
import { createFamilies, type Families } from './families.ts'
import { createOperations } from './operations.ts'
import { createViewCounts } from './view-counts.ts'

/** From half a millisecond to a minute. */
const seconds = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60]
/** For work that nobody waits for at a screen: up to an hour. */
const longSeconds = [0.01, 0.05, 0.1, 0.5, 1, 5, 15, 60, 300, 900, 3600]
const sizes = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000]
const rows = [1, 100, 1000, 10_000, 100_000, 1_000_000, 10_000_000, 100_000_000]

export type Metrics = ReturnType<typeof createMetrics>

export function createMetrics() {
  const registry = new Registry()
  const families = createFamilies(registry)
  return {
    registry,
    gauge: families.gauge,
    operations: createOperations(families, seconds),
    lookups: createLookupMetrics(families),
    countsOf: createViewCounts(families),
    stores: createStoreMetrics(families),
    work: createWorkMetrics(families),
    refused: families.counter({
      name: 'gateway_refused_total',
      help: 'Requests and connections turned away because their caller asked too often, or held too many or too much',
      labels: ['reason'],
    }),
    /** Process, event loop, heap and garbage collection; until the process ends, so once only where it serves. */
    watchProcess: () => collectDefaultMetrics({ register: registry }),
  }
}

function createLookupMetrics({ counter, histogram }: Families) {
  return {
    answered: counter({
      name: 'gateway_lookups_total',
      help: 'Index values looked up, by what was answered and where it came from',
      labels: ['status', 'source'],
    }),
    failed: counter({
      name: 'gateway_lookup_failures_total',
      help: 'Index values whose lookup failed, by error code',
      labels: ['code'],
    }),
    batchRequests: histogram({
      name: 'gateway_lookup_batch_requests',
      help: 'Lookups of one or many operations that were answered together',
      buckets: sizes,
    })(),
    batchValues: histogram({
      name: 'gateway_lookup_batch_values',
      help: 'Index values of lookups that were answered together',
      buckets: sizes,
    })(),
  }
}

function createStoreMetrics({ histogram }: Families) {
  return {
    onlineSeconds: histogram({
      name: 'gateway_online_seconds',
      help: 'Round trips to the online store, by call and outcome (OK or an error code)',
      labels: ['call', 'outcome'],
      buckets: seconds,
    }),
    onlineValues: histogram({
      name: 'gateway_online_values',
      help: 'Index values read from or written to the online store in one round trip',
      labels: ['call'],
      buckets: sizes,
    }),
    warehouseSeconds: histogram({
      name: 'gateway_warehouse_seconds',
      help: 'Calls of the warehouse, by call and outcome (OK or an error code)',
      labels: ['call', 'outcome'],
      buckets: seconds,
    }),
    etlSeconds: histogram({
      name: 'gateway_etl_seconds',
      help: 'ETL runs: over a file in training, over groups of rows online, or a check when it is loaded',
      labels: ['work', 'language', 'outcome'],
      buckets: seconds,
    }),
  }
}

function createWorkMetrics({ counter, histogram }: Families) {
  const parityFaults = counter({
    name: 'gateway_parity_faults_total',
    help: 'Compared index values that differed: mismatched, missing or extra rows',
    labels: ['kind'],
  })
  return {
    datasetSeconds: histogram({
      name: 'gateway_dataset_seconds',
      help: 'How long datasets took from the start of their run to their end, by kind and how they ended',
      labels: ['kind', 'status'],
      buckets: longSeconds,
    }),
    datasetRows: histogram({
      name: 'gateway_dataset_rows',
      help: 'Rows of the datasets that were made',
      labels: ['kind'],
      buckets: rows,
    }),
    publishJobSeconds: histogram({
      name: 'gateway_publish_job_seconds',
      help: 'How long publish jobs took from their first start to their end, by kind and how they ended',
      labels: ['kind', 'status'],
      buckets: longSeconds,
    }),
    published: counter({
      name: 'gateway_published_total',
      help: 'Flows and rows that are written and served',
      labels: ['kind'],
    }),
    refreshSeconds: histogram({
      name: 'gateway_refresh_seconds',
      help: 'Refreshes of feature views: of the touched index values (BY_KEY) or in full (FULL)',
      labels: ['by', 'outcome'],
      buckets: longSeconds,
    }),
    parityValues: counter({
      name: 'gateway_parity_values_total',
      help: 'Index values whose online rows were compared with what training gives',
    })(),
    // From the start, so that the first is seen to be one more.
    parityFaults: {
      mismatched: parityFaults('mismatched'),
      missing: parityFaults('missing'),
      extra: parityFaults('extra'),
    },
  }
}
