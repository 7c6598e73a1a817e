// A plugin of GraphQL Code Generator: the schema as the type from which gql.tada infers those of documents.

import { minifyIntrospection, outputIntrospectionFile } from '@gql.tada/internal'
import { type GraphQLSchema, introspectionFromSchema } from 'graphql'

export function plugin(schema: GraphQLSchema): string {
  const introspection = minifyIntrospection(introspectionFromSchema(schema, { descriptions: false }))
  return outputIntrospectionFile(introspection, { fileType: '.ts' })
}
