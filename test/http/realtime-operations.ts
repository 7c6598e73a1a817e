// Realtime operations drawn from a seed: all that GraphQL allows around lookups, and much that it does not.

import { xoroshiro128plus } from 'pure-rand/generator/xoroshiro128plus'

export interface Ids {
  numbers: string
  texts: string
  etlPath: string
  failingEtlPath: string
}

export interface GeneratedRequest {
  query: string
  variables?: unknown
  operationName?: unknown
  [name: string]: unknown
}

interface Lookup {
  queryId: string
  indexKey: string
  values: readonly string[]
}

const rowFields = [
  'indexKey',
  'indexValue',
  'status',
  'source',
  'rows',
  'asOf',
  'eventTime',
  'error',
  '__typename',
]
const failureFields = ['code', 'message', '__typename']
const numbers = ['0', '1', '2', '3', '7', '+4', '007', '404', '-1']
const texts = ['', 'a', 'é', '日本', '😀', '"', '\\', '\n\u2028', 'nobody', '__proto__', 'x'.repeat(300)]
const unusableNumbers = ['one', '', '1.5', '99999999999999999999', 'ü', 'y'.repeat(200)]
const aliases = ['a', 'b', '_', 'data', 'rows', 'toString', 'constructor', 'e']

/** Endless, and the same for the same seed. */
export function* generateOperations(seed: number, ids: Ids): Generator<GeneratedRequest> {
  const draw = createDraw(seed)
  while (true) {
    const request = createRequest(draw, ids)
    yield draw.chance(0.3) ? spoil(request, draw) : request
  }
}

export type Draw = ReturnType<typeof createDraw>

export function createDraw(seed: number) {
  const generator = xoroshiro128plus(seed)
  const below = (count: number) => (generator.next() >>> 0) % count
  return {
    below,
    chance: (probability: number) => below(10_000) < probability * 10_000,
    from<T>(items: readonly T[]): T {
      return items[below(items.length)] as T
    },
  }
}

function createRequest(draw: Draw, ids: Ids): GeneratedRequest {
  const fragments: string[] = []
  const operationCount = draw.chance(0.15) ? 2 : 1
  const operations = Array.from({ length: operationCount }, (_, i) =>
    createOperation(draw, ids, fragments, i),
  )
  const chosen = operations[draw.below(operationCount)]
  const parts = [...operations.map(({ text }) => text), ...fragments]
  return {
    query: (draw.chance(0.3) ? parts.toReversed() : parts).join(draw.from(['\n', ' # a comment\n'])),
    ...((chosen?.hasVariables || draw.chance(0.1)) && { variables: chosen?.variables }),
    ...((operationCount > 1 || draw.chance(0.1)) && { operationName: chosen?.name ?? null }),
    ...(draw.chance(0.03) && { extensions: draw.from([null, {}, { client: 'test' }]) }),
  }
}

/** What one operation has declared so far. */
interface Scope {
  prefix: string
  declarations: string[]
  variables: Record<string, unknown>
  fragments: string[]
  fragmentCount: number
}

function createOperation(draw: Draw, ids: Ids, fragments: string[], position: number) {
  const scope: Scope = {
    prefix: `o${position}`,
    declarations: [],
    variables: {},
    fragments,
    fragmentCount: 0,
  }
  const count = draw.from([1, 1, 1, 2, 3])
  const fields = Array.from({ length: count }, (_, i) => createRootField(draw, ids, scope, i))
  const name = position > 0 || draw.chance(0.5) ? `Operation${position}` : 'Lookup'
  const declared = scope.declarations.length === 0 ? '' : `(${scope.declarations.join(', ')})`
  const wrapped = draw.chance(0.1) ? [spread(draw, scope, 'Query', fields.join(' '))] : fields
  return {
    name,
    text: `query ${name}${declared} { ${wrapped.join(' ')} }`,
    variables: scope.variables,
    hasVariables: scope.declarations.length > 0,
  }
}

function createRootField(draw: Draw, ids: Ids, scope: Scope, position: number): string {
  if (draw.chance(0.12))
    return `${draw.chance(0.3) ? `t${position}: ` : ''}__typename${directives(draw, scope)}`
  const { queryId, indexKey, values } = drawLookup(draw, ids)
  const [many, etl] = [draw.chance(0.5), draw.chance(0.4)]
  const name = `${etl ? 'extractRealtime' : 'queryRealtime'}${many ? 'Many' : ''}`
  const alias = position > 0 || draw.chance(0.4) ? `f${position}${draw.from(aliases)}: ` : ''
  const etlPath = draw.chance(0.5) ? ids.failingEtlPath : ids.etlPath
  const args = [
    `queryId: ${argument(draw, scope, draw.from(['ID!', 'ID']), queryId)}`,
    `indexKey: ${argument(draw, scope, draw.from(['String!', 'String']), indexKey)}`,
    ...(etl ? [`etlPath: ${argument(draw, scope, 'String!', etlPath)}`] : []),
    many
      ? `indexValues: ${listArgument(draw, scope, values)}`
      : `indexValue: ${oneArgument(draw, scope, values)}`,
  ]
  const field = (selection: string) =>
    `${alias}${name}(${args.join(', ')})${directives(draw, scope)} { ${selection} }`
  const fields = [field(createSelection(draw, scope, 0))]
  if (draw.chance(0.1)) fields.push(field(createSelection(draw, scope, 1)))
  const text = fields.join(' ')
  return draw.chance(0.12) ? spread(draw, scope, 'Query', text) : text
}

function drawLookup(draw: Draw, ids: Ids): Lookup {
  const wrong = draw.chance(0.06)
  const queryId = wrong ? draw.from(['qry_0', '', '7', 'é']) : draw.chance(0.6) ? ids.numbers : ids.texts
  const ofNumbers = queryId !== ids.texts
  const count = draw.from([0, 1, 1, 2, 3, 5, 9])
  const pool = ofNumbers ? (draw.chance(0.15) ? [...numbers, ...unusableNumbers] : numbers) : texts
  return {
    queryId,
    indexKey: draw.chance(0.05) ? draw.from(['', 'nowhere', 'é']) : ofNumbers ? 'n' : 'name',
    values: Array.from({ length: count }, () => draw.from(pool)),
  }
}

function argument(draw: Draw, scope: Scope, type: string, value: unknown): string {
  if (draw.chance(0.45)) return literal(draw, type, value)
  return declare(draw, scope, type, value)
}

function literal(draw: Draw, type: string, value: unknown): string {
  if (type.startsWith('ID') && draw.chance(0.05)) return draw.from(['7', '123456789012345678901234567890'])
  return typeof value === 'string' &&
    !value.includes('\n') &&
    !value.includes('"') &&
    !value.includes('\\') &&
    draw.chance(0.05)
    ? `"""${value}"""`
    : JSON.stringify(value)
}

/** Declares a variable, perhaps with a default that stands in for it. */
function declare(draw: Draw, scope: Scope, type: string, value: unknown): string {
  const name = `${scope.prefix}v${scope.declarations.length}`
  const nullable = !type.endsWith('!')
  const withDefault = nullable || draw.chance(0.2)
  scope.declarations.push(`$${name}: ${type}${withDefault ? ` = ${JSON.stringify(value)}` : ''}`)
  if (!withDefault || draw.chance(0.5)) scope.variables[name] = value
  return `$${name}`
}

function oneArgument(draw: Draw, scope: Scope, values: readonly string[]): string {
  return argument(draw, scope, draw.from(['String!', 'String']), values[0] ?? '1')
}

function listArgument(draw: Draw, scope: Scope, values: readonly string[]): string {
  if (draw.chance(0.5)) {
    const type = draw.from(['[String!]!', '[String!]!', '[String!]'])
    return declare(draw, scope, type, values.length === 1 && draw.chance(0.3) ? values[0] : values)
  }
  if (values.length === 1 && draw.chance(0.3)) return JSON.stringify(values[0])
  return `[${values.map((value) => argument(draw, scope, 'String!', value)).join(draw.from([', ', ' ']))}]`
}

function createSelection(draw: Draw, scope: Scope, depth: number): string {
  const count = 1 + draw.below(5)
  const parts = Array.from({ length: count }, () => {
    if (depth < 3 && draw.chance(0.18)) {
      return spread(draw, scope, 'RealtimeResult', createSelection(draw, scope, depth + 1))
    }
    const field = draw.from(rowFields)
    // An alias that says which field it is of never conflicts.
    const alias = draw.chance(0.3) ? `${draw.from(aliases)}_${field}: ` : ''
    const own = field === 'error' ? ` { ${createFailureSelection(draw, scope)} }` : ''
    return `${alias}${field}${directives(draw, scope)}${own}`
  })
  return parts.join(' ')
}

function createFailureSelection(draw: Draw, scope: Scope): string {
  const parts = Array.from({ length: 1 + draw.below(3) }, () => {
    const field = draw.from(failureFields)
    const text = `${draw.chance(0.3) ? `${draw.from(aliases)}_${field}: ` : ''}${field}${directives(draw, scope)}`
    return draw.chance(0.2) ? spread(draw, scope, 'RealtimeFailure', text) : text
  })
  return parts.join(' ')
}

function spread(draw: Draw, scope: Scope, type: string, text: string): string {
  if (draw.chance(0.5)) return `...${draw.from(['', ` on ${type}`])}${directives(draw, scope)} { ${text} }`
  const name = `${scope.prefix}F${scope.fragments.length}`
  scope.fragments.push(`fragment ${name} on ${type} { ${text} }`)
  const uses = draw.chance(0.2) ? 2 : 1
  return Array.from({ length: uses }, () => `...${name}${directives(draw, scope)}`).join(' ')
}

function directives(draw: Draw, scope: Scope): string {
  if (!draw.chance(0.12)) return ''
  const condition = draw.chance(0.4)
    ? String(draw.chance(0.5))
    : declare(draw, scope, draw.from(['Boolean!', 'Boolean']), draw.chance(0.5))
  const first = ` @${draw.from(['skip', 'include'])}(if: ${condition})`
  return draw.chance(0.1) && first.includes('@skip') ? `${first} @include(if: true)` : first
}

/** One thing wrong, or at least odd. */
function spoil(request: GeneratedRequest, draw: Draw): GeneratedRequest {
  const variables = { ...(request.variables as Record<string, unknown> | undefined) }
  const name = draw.from(Object.keys(variables)) ?? 'absent'
  const { [name]: _, ...others } = variables
  const oddValues = [
    null,
    7,
    -0,
    1e21,
    2 ** 53,
    1.5,
    true,
    {},
    [],
    [null],
    ['1', 2],
    [['1']],
    '1',
    '',
    '\ud800',
  ]
  const kinds: (() => GeneratedRequest)[] = [
    () => ({ ...request, variables: { ...variables, [name]: draw.from(oddValues) } }),
    () => ({ ...request, variables: { ...variables, [name]: draw.from(oddValues) } }),
    () => ({ ...request, variables: { ...variables, [name]: draw.from(oddValues) } }),
    () => ({ ...request, variables: others }),
    () => ({ ...request, variables: { ...variables, unknown: 1, toString: 'x' } }),
    () => ({ ...request, variables: draw.from([null, [], 'text', 7, true]) }),
    () => ({ ...request, operationName: draw.from(['Nobody', '', null, 7, {}]) }),
    () => ({ ...request, query: request.query.replace(/rows|status|asOf/, 'nonsense') }),
    () => ({ ...request, query: request.query.replace('indexValue', 'indexValues') }),
    () => ({
      ...request,
      query: request.query.replace('String!', draw.from(['Int!', 'ID!', 'String', '[String!]'])),
    }),
    () => ({
      ...request,
      query: request.query.replace(/@\w+/, draw.from(['@defer', '@nonsense', '@deprecated'])),
    }),
    () => ({
      ...request,
      query: request.query.replace('query ', draw.from(['mutation ', 'subscription ', ''])),
    }),
    () => ({ ...request, query: request.query.replace(/ \}$/, ' savedQueries { totalCount } }') }),
    () => ({ ...request, query: request.query.slice(0, draw.below(request.query.length)) }),
    () => ({ ...request, query: request.query.replace('RealtimeResult', 'Query') }),
    () => ({ ...request, query: draw.from([null, 7, '', ' ', '{}']) as string }),
    () => ({ ...request, unexpected: draw.from([null, 1]) }),
    () => ({ ...request, extensions: draw.from([null, {}, [], 'text']) }),
  ]
  return draw.from(kinds)()
}
