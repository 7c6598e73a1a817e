// Operations by name and outcome. Names come from clients, so only so many are told apart.

import type { ErrorCode } from '../errors.ts'
import type { Count, Families, Family, Spread } from './families.ts'

/** Operations told apart by one process; of what comes later only the schema's field is told. */
const maxOperations = 100
const longestName = 80

export interface OperationName {
  api: 'graphql' | 'rest'
  /** What the client calls it; over REST the method and route. */
  operation: string
  /** The schema's field that it asks for, or `several`. */
  field: string
}

export interface Operations {
  /** The same for the same name: to be kept by whoever answers the operation again. */
  of(name: OperationName): Operation
}

export function createOperations({ counter, histogram }: Families, buckets: readonly number[]): Operations {
  const labels = ['api', 'operation', 'field']
  const total = counter({
    name: 'gateway_operations_total',
    help: 'Operations answered, by name and outcome (OK or an error code)',
    labels: [...labels, 'outcome'],
  })
  const seconds = histogram({
    name: 'gateway_operation_seconds',
    help: 'How long operations took to answer; a subscription, until it began',
    labels,
    buckets,
  })
  const known = new Map<string, Operation>()

  return {
    of({ api, operation, field }) {
      const name = [api, operation.slice(0, longestName), field]
      return known.get(name.join('\n')) ?? add(known.size < maxOperations ? name : [api, 'other', field])
    },
  }

  function add(name: readonly string[]): Operation {
    const key = name.join('\n')
    const added = known.get(key) ?? new Operation(name, seconds(...name), total)
    known.set(key, added)
    return added
  }
}

export class Operation {
  readonly #ok: Count
  readonly #seconds: Spread
  readonly #name: readonly string[]
  readonly #total: Family<Count>
  readonly #attributes: Record<string, string>

  constructor(name: readonly string[], seconds: Spread, total: Family<Count>) {
    this.#name = name
    const [api = '', operation = '', field = ''] = name
    this.#attributes =
      api === 'rest'
        ? { 'http.route': operation.split(' ')[1] ?? '' }
        : { 'graphql.operation.name': operation, 'gateway.field': field }
    this.#total = total
    this.#ok = total(...name, 'OK')
    this.#seconds = seconds
  }

  /** Tells the name to whoever describes the request. */
  nameRequest(tell: (attributes: Record<string, string>) => void) {
    tell(this.#attributes)
  }

  /** Counts one that began at `startedAtMs` of performance.now(); `failed` is the code of its first error. */
  end(failed: ErrorCode | null, startedAtMs: number) {
    const count = failed === null ? this.#ok : this.#total(...this.#name, failed)
    count.value += 1
    this.#seconds.observe((performance.now() - startedAtMs) / 1000)
  }
}
