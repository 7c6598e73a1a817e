// What `feast registry-dump` writes of a registry, as far as an import reads it.

import { z } from 'zod'

const text = z.string().default('')
const words = { description: text, owner: text, tags: z.record(z.string(), z.string()).default({}) }
const list = <Item extends z.ZodType>(item: Item) => z.array(item).default([])
const feature = z.object({ name: z.string(), description: text })

const source = z.object({
  name: text,
  type: text,
  dataSourceClassType: text,
  timestampField: text,
  createdTimestampColumn: text,
  /** From the source's columns to the features' names. */
  fieldMapping: z.record(z.string(), z.string()).default({}),
  fileOptions: z.object({ uri: text, fileFormat: z.record(z.string(), z.unknown()).default({}) }).optional(),
  customOptions: z.object({ configuration: text }).optional(),
})

const view = z.object({
  name: z.string(),
  entities: list(z.string()),
  features: list(feature),
  /** Protocol buffers' JSON of a duration. */
  ttl: z
    .string()
    .regex(/^\d+(\.\d+)?s$/)
    .default('0s'),
  batchSource: source.optional(),
  featureTransformation: z.unknown().optional(),
  ...words,
})

const projection = z.object({
  featureViewName: z.string(),
  featureViewNameAlias: text,
  featureColumns: list(feature),
  /** From the view's join keys to the names that an entity has them under. */
  joinKeyMap: z.record(z.string(), z.string()).default({}),
})

const named = list(z.object({ spec: z.object({ name: text }) }))
const registry = z.object({
  entities: list(z.object({ spec: z.object({ name: z.string(), joinKey: text }) })),
  dataSources: list(source),
  featureViews: list(z.object({ spec: view })),
  featureServices: list(
    z.object({ spec: z.object({ name: z.string(), features: list(projection), ...words }) }),
  ),
  onDemandFeatureViews: named,
  streamFeatureViews: named,
})

export type Registry = z.infer<typeof registry>
export type FeastSource = z.infer<typeof source>
export type FeastView = z.infer<typeof view>
export type FeastService = Registry['featureServices'][number]['spec']

/** What is wrong with the file or the command line, for who gave it. */
export class UsageError extends Error {}

/** Throws UsageError for what is no dump of a registry. */
export function parseRegistry(json: string, path: string): Registry {
  const refuse = (reason: string) =>
    new UsageError(`${path} is no registry as \`feast registry-dump\` writes it: ${reason}`)
  try {
    const given: unknown = JSON.parse(json)
    const parsed = registry.safeParse(given)
    if (!parsed.success) throw refuse(z.prettifyError(parsed.error))
    const { featureViews, entities } = parsed.data
    if (featureViews.length + entities.length === 0) throw refuse('it has neither featureViews nor entities')
    return parsed.data
  } catch (error) {
    throw error instanceof SyntaxError ? refuse(error.message) : error
  }
}
