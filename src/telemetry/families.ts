// Families of metrics that are cheap to add to: whoever counts holds a plain number, and Prometheus' form is made of it when asked.

import type { Metric, Registry } from 'prom-client'

/** One counter: `count.value += 1`. */
export interface Count {
  value: number
}

/** One histogram. */
export interface Spread {
  observe(value: number): void
}

/** One member of the family for each combination of the labels' values, made at its first use and then the same. */
export type Family<Member> = (...labels: readonly string[]) => Member

interface Description {
  /** As Prometheus has it: a unit at its end, and `_total` for what is counted. */
  name: string
  help: string
  labels?: readonly string[]
}

export interface Families {
  counter(description: Description): Family<Count>
  /** `buckets` are upper bounds, rising. */
  histogram(description: Description & { buckets: readonly number[] }): Family<Spread>
  /** Read when somebody asks; a reading that fails leaves the metric out. Registered again, it takes the former's place. */
  gauge(description: Description, read: () => Readings | Promise<Readings>): void
}

/** A value for each combination of labels. */
export type Readings = readonly (readonly [labels: readonly string[], value: number])[]

interface Sample {
  labels: Record<string, string | number>
  value: number
  metricName?: string
}

export function createFamilies(registry: Registry): Families {
  function register(
    { name, help, labels = [] }: Description,
    type: string,
    samples: (named: (values: readonly string[]) => Record<string, string>) => Promise<Sample[]> | Sample[],
  ) {
    const named = (values: readonly string[]) =>
      Object.fromEntries(labels.map((label, i) => [label, values[i] ?? '']))
    const about = { name, help, type, aggregator: 'sum' }
    const metric = { ...about, get: async () => ({ ...about, values: await samples(named) }) }
    // The registry asks no more of a metric than this; its own aggregation registers such objects too.
    registry.registerMetric(metric as unknown as Metric)
  }

  return {
    counter(description) {
      const { of, each } = createMembers<Count>(() => ({ value: 0 }))
      if (!description.labels?.length) of()
      register(description, 'counter', (named) =>
        each(({ value }, labels) => [{ labels: named(labels), value }]),
      )
      return of
    },
    histogram(description) {
      const { of, each } = createMembers(() => new Histogram(description.buckets))
      if (!description.labels?.length) of()
      register(description, 'histogram', (named) =>
        each((histogram, labels) => histogram.samples(description.name, named(labels))),
      )
      return of
    },
    gauge(description, read) {
      registry.removeSingleMetric(description.name)
      register(description, 'gauge', async (named) => {
        const readings = await Promise.resolve(read()).catch(() => [])
        return readings.map(([labels, value]) => ({ labels: named(labels), value }))
      })
    },
  }
}

function createMembers<Member>(create: () => Member) {
  const members = new Map<string, { member: Member; labels: readonly string[] }>()
  return {
    of(...labels: readonly string[]): Member {
      const key = labels.join('\n')
      const found = members.get(key) ?? { member: create(), labels }
      members.set(key, found)
      return found.member
    },
    each(samples: (member: Member, labels: readonly string[]) => Sample[]): Sample[] {
      return [...members.values()].flatMap(({ member, labels }) => samples(member, labels))
    },
  }
}

class Histogram implements Spread {
  readonly #bounds: readonly number[]
  /** The last is for what exceeds every bound. */
  readonly #counts: Float64Array
  #sum = 0

  constructor(bounds: readonly number[]) {
    this.#bounds = bounds
    this.#counts = new Float64Array(bounds.length + 1)
  }

  observe(value: number) {
    let bucket = 0
    while (bucket < this.#bounds.length && value > (this.#bounds[bucket] ?? 0)) bucket++
    this.#counts[bucket] = (this.#counts[bucket] ?? 0) + 1
    this.#sum += value
  }

  samples(name: string, labels: Record<string, string>): Sample[] {
    let count = 0
    const buckets = [...this.#counts].map((more, i) => {
      count += more
      const le = this.#bounds[i] ?? '+Inf'
      return { metricName: `${name}_bucket`, labels: { ...labels, le }, value: count }
    })
    return [
      ...buckets,
      { metricName: `${name}_sum`, labels, value: this.#sum },
      { metricName: `${name}_count`, labels, value: count },
    ]
  }
}
