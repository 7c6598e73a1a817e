// Feast's feature services as feature services.

import type { Gateway, ServiceGiven } from './gateway.ts'
import type { FeastService } from './registry.ts'
import { LeftOut } from './sources.ts'
import { wordsOf } from './words.ts'

/**
 * Answers what is otherwise about it here, though it is made. `taken` are the views that stand here. Rejects with LeftOut,
 * and with what the gateway says against it.
 */
export async function importService(
  service: FeastService,
  taken: ReadonlySet<string>,
  gateway: Gateway,
): Promise<string[]> {
  const names = new Set(service.features.map(({ featureViewName }) => featureViewName))
  const missing = [...names].filter((name) => !taken.has(name))
  if (missing.length > 0) throw new LeftOut(`it has features of ${missing.join(', ')}, left out itself`)
  const isTold = findRepeated(service)
  await gateway.createService({
    name: service.name,
    features: service.features.map((part) => referenceOf(part, isTold(part))),
    ...wordsOf(service),
  })
  return service.features.filter(hasAlias).map((part) => {
    const { featureViewName: view, featureViewNameAlias: alias } = part
    return isTold(part)
      ? `its features of ${view} as ${alias} are named ${alias}__… here; ask for them without full names`
      : `its name ${alias} for ${view} is not kept: full names begin with ${view}__ here`
  })
}

type Part = FeastService['features'][number]

const hasAlias = ({ featureViewNameAlias: alias, featureViewName }: Part) =>
  alias !== '' && alias !== featureViewName

/** Features of one name in a service are told apart by their aliases: in Feast such are asked for by full names alone. */
function findRepeated({ features }: FeastService): (part: Part) => boolean {
  const names = features.flatMap(({ featureColumns }) => featureColumns.map(({ name }) => name))
  const repeated = new Set(names.filter((name, i) => names.indexOf(name) !== i))
  return (part) => hasAlias(part) && part.featureColumns.some(({ name }) => repeated.has(name))
}

function referenceOf(part: Part, isTold: boolean): ServiceGiven['features'][number] {
  return {
    view: part.featureViewName,
    features: part.featureColumns.map(({ name }) => name),
    ...(isTold && { prefix: `${part.featureViewNameAlias}__` }),
    keys: Object.entries(part.joinKeyMap).map(([key, column]) => ({ key, column })),
  }
}
