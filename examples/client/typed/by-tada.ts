// Typed features by gql.tada: nothing is generated from documents, their types are inferred as they are written.

import { initGraphQLTada, type TadaDocumentNode } from 'gql.tada'
import { print } from 'graphql'
import type { introspection } from '../generated/introspection.ts'
import type { Transport, TypedDocument } from '../transport.ts'

const graphql = initGraphQLTada<{
  introspection: typeof introspection
  scalars: {
    BigInt: number | string
    Decimal: number | string
    Date: string
    Timestamp: string
    Bytes: string
    DateTime: string
    JSON: unknown
  }
}>()

const stats = graphql(`
  query StatsByTada($driverId: BigInt!) {
    features {
      driverStats(driverId: $driverId) { convRate home { city } }
    }
  }
`)

function textOf<TData, TVariables>(
  document: TadaDocumentNode<TData, TVariables>,
): TypedDocument<TData, TVariables> {
  const text = print(document)
  return { toString: () => text }
}

export async function cityOf(gateway: Transport, driverId: number): Promise<string | null> {
  const { features } = await gateway.request(textOf(stats), { driverId })
  return features.driverStats?.home?.city ?? null
}
