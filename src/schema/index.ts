// The GraphQL schema, one file for each noun.

import type { GraphQLSchema } from 'graphql'
import { addApiKey } from './api-key.ts'
import { createBuilder } from './builder.ts'
import { addColumn } from './column.ts'
import { addDataset } from './dataset.ts'
import { addDeterminism } from './determinism.ts'
import { addEtl } from './etl.ts'
import { addFeature } from './feature.ts'
import { addFeatureReference } from './feature-reference.ts'
import { addFeatureService } from './feature-service.ts'
import { addFeatureView } from './feature-view.ts'
import { addFreshness } from './freshness.ts'
import { addJobStatus } from './job-status.ts'
import { addParity } from './parity.ts'
import { addPublishJob } from './publish-job.ts'
import { addRealtime } from './realtime.ts'
import { addSavedQuery } from './saved-query.ts'
import { addScalars } from './scalars.ts'
import { addSchemaChange } from './schema-change.ts'
import { addSchemaProblem } from './schema-problem.ts'
import type { Services } from './services.ts'
import { addTable } from './table.ts'
import { addTraining } from './training.ts'
import { addTrainingSet } from './training-set.ts'
import { addVectors } from './vectors.ts'

/** Builds the schema; the services are called by its resolvers only. */
export function createSchema(services: Services): GraphQLSchema {
  const builder = createBuilder(services)
  builder.queryType({})
  builder.mutationType({})
  builder.subscriptionType({})
  addScalars(builder)
  const { columnType, columnInput } = addColumn(builder)
  const jobStatus = addJobStatus(builder)
  const determinism = addDeterminism(builder)
  addSavedQuery(builder, services, determinism)
  addEtl(builder, services)
  addFeatureView(builder, services, {
    determinism,
    freshness: addFreshness(builder, services),
    feature: addFeature(builder, services, columnType),
  })
  addDataset(builder, services, jobStatus)
  addTraining(builder, services)
  addPublishJob(builder, services, jobStatus)
  addTable(builder, services, columnInput)
  const reference = addFeatureReference(builder)
  addFeatureService(builder, services, { columnInput, reference })
  addTrainingSet(builder, services, { reference })
  addVectors(builder, services, { reference, realtime: addRealtime(builder, services) })
  addParity(builder, services)
  addApiKey(builder, services)
  addSchemaProblem(builder, services)
  addSchemaChange(builder, services)
  return builder.toSchema()
}
