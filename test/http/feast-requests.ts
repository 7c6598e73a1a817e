// Requests as Feast's clients send them drawn from a seed, over the views of typed-views.ts: good ones, and many that are not.

import { createDraw, type Draw } from './realtime-operations.ts'

const features: Record<string, readonly string[]> = {
  driver_stats: [
    'small',
    'big',
    'infinite',
    'tenth',
    'exact',
    'text',
    'bytes',
    'day',
    'at',
    'yes',
    'list',
    'no_list',
    'struct',
    'json',
  ],
  trips: ['far', 'zero'],
  flags: ['é', '__proto__x'],
  in_time: ['v', 'nested'],
  alone: ['v'],
}
const services = ['one_view', 'joined', 'scored', 'one_view@1', 'scored@1']
const oddFeatures = [
  'driver_stats:none',
  'nowhere:v',
  'v',
  ':v',
  'alone:',
  '',
  'trips:n',
  'alone:\u0000',
  'trips:\ud800',
]

/** By the column of the entities: what is there, and what is not. */
const keys: Record<string, readonly unknown[]> = {
  driver_id: [0, 1, 2, 3, 7, '4', 404, '+5'],
  n: [0, 1, 2, 3, 4, '2', 404],
  city: ['a', 'é', '日本', '"', '\\', '', 'nobody', '__proto__'],
  yes: [true, false, 'true'],
  exact: [0.5, '1.5', 1.5, 2],
  amount: [1, 2.5, '3.25'],
  note: ['é', '日本', null, '', '"\\'],
}
const wrong: readonly unknown[] = [
  null,
  'x',
  1.25,
  -0,
  1e300,
  [1],
  {},
  { toJSON: 1 },
  9007199254740994,
  true,
  '\ud800',
  '\u0000',
]

/** Endless, and the same for the same seed. */
export function* generateFeastBodies(seed: number): Generator<string> {
  const draw = createDraw(seed)
  while (true) {
    const body = JSON.stringify(createRequest(draw))
    yield draw.chance(0.08) ? spoil(body, draw) : body
  }
}

function createRequest(draw: Draw) {
  const isOfService = draw.chance(0.5)
  const views = drawSome(draw, Object.keys(features), 3)
  const request: Record<string, unknown> = {}
  if (isOfService || draw.chance(0.05)) request.feature_service = draw.from(services)
  if (!isOfService || draw.chance(0.05))
    request.features = drawSome(
      draw,
      views.flatMap((view) => (features[view] ?? []).map((name) => `${view}:${name}`)),
      20,
    )
  if (draw.chance(0.3)) request.full_feature_names = draw.chance(0.5)
  if (draw.chance(0.3)) request.include_feature_view_version_metadata = draw.chance(0.5)
  const columns = isOfService ? columnsOf(request.feature_service as string) : columnsOfViews(views)
  const count = draw.chance(0.05) ? 120 : draw.below(6)
  request.entities = Object.fromEntries(
    columns.map((column) => [column, Array.from({ length: count }, () => draw.from(keys[column] ?? []))]),
  )
  return draw.chance(0.25) ? vary(request, draw) : request
}

function columnsOf(service: string): readonly string[] {
  if (service.startsWith('one_view')) return ['driver_id']
  return service === 'joined' ? ['city', 'n'] : ['driver_id', 'amount', 'note']
}

function columnsOfViews(views: readonly string[]): readonly string[] {
  const own: Record<string, readonly string[]> = {
    driver_stats: ['driver_id'],
    trips: ['city', 'n'],
    flags: ['yes', 'exact'],
  }
  return [...new Set(views.flatMap((view) => own[view] ?? ['n']))]
}

/** In one place it is as clients get it wrong. */
function vary(request: Record<string, unknown>, draw: Draw): Record<string, unknown> {
  const entities = request.entities as Record<string, unknown[]>
  const [column = 'n'] = drawSome(draw, Object.keys(entities), 1)
  const values = entities[column] ?? []
  switch (draw.below(9)) {
    case 0:
      return { ...request, features: [...((request.features as string[]) ?? []), draw.from(oddFeatures)] }
    case 1:
      return { ...request, feature_service: draw.from(['nobody', 'one_view@9', '', null, 7, '\u0000', ' ']) }
    case 2:
      return { ...request, full_feature_names: draw.from(['true', null, 1]) }
    case 3:
      return { ...request, entities: { ...entities, [column]: [...values, draw.from(values.concat(1))] } }
    case 4:
      return { ...request, entities: { ...entities, [draw.from(['more', '', 'é', '7'])]: values } }
    case 5:
      return { ...request, entities: draw.from<unknown>([{}, null, [], [values], 7, { [column]: 1 }]) }
    case 6:
      return { ...request, more: draw.from<unknown>([1, null, [[{}]]]) }
    case 7:
      return { ...request, features: draw.from<unknown>([null, [], [1], 'alone:v', {}]) }
    default:
      return {
        ...request,
        entities: {
          ...entities,
          [column]: values.map((value) => (draw.chance(0.5) ? draw.from(wrong) : value)),
        },
      }
  }
}

function spoil(body: string, draw: Draw): string {
  switch (draw.below(6)) {
    case 0:
      return body.slice(0, draw.below(body.length))
    case 1:
      return body.replace(/\d/, '12345678901234567890')
    case 2:
      return body.replace('"entities":{', '"entities":{"__proto__":[],')
    case 3:
      return ` ${body.replaceAll(',', ' ,\n')} `
    case 4:
      return body.replace('{', '{"entities":{},"__proto__":{"feature_service":"joined"},')
    default:
      return `[${body}]`
  }
}

function drawSome<T>(draw: Draw, items: readonly T[], most: number): T[] {
  const left = [...items]
  const count = Math.min(left.length, 1 + draw.below(most))
  return Array.from({ length: count }, () => left.splice(draw.below(left.length), 1)[0] as T)
}
