// Reads Prometheus' text form: every sample, and what each metric is.

export interface Exposition {
  types: Map<string, string>
  samples: readonly Sample[]
  /** The sum of the samples of that name whose labels include these. */
  value(name: string, labels?: Record<string, string>): number
}

interface Sample {
  name: string
  labels: Record<string, string>
  value: number
}

/** Throws at a line that is none of the format. */
export function parseExposition(text: string): Exposition {
  const types = new Map<string, string>()
  const samples: Sample[] = []
  for (const line of text.split('\n')) {
    if (line === '' || line.startsWith('# HELP ')) continue
    const type = /^# TYPE (\S+) (counter|gauge|histogram|summary)$/.exec(line)
    if (type !== null) {
      if (types.has(type[1] ?? '')) throw new Error(`${type[1]} is declared twice`)
      types.set(type[1] ?? '', type[2] ?? '')
    } else samples.push(parseSample(line))
  }
  return {
    types,
    samples,
    value: (name, labels = {}) =>
      samples
        .filter((sample) => sample.name === name)
        .filter((sample) => Object.entries(labels).every(([label, value]) => sample.labels[label] === value))
        .reduce((sum, sample) => sum + sample.value, 0),
  }
}

function parseSample(line: string): Sample {
  const parts = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)$/.exec(line)
  if (parts === null) throw new Error(`This line is no sample: ${line}`)
  const [, name = '', labelText = '', value] = parts
  const labels = Object.fromEntries(
    [...labelText.matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)].map(([, label, text]) => [label, text]),
  )
  return { name, labels, value: Number(value) }
}
