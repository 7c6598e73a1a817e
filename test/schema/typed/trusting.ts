// A gateway that trusts documents, and views by a column n for them to ask for.

import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { openGateway } from '../../http/gateway.ts'
import { createFolder } from '../../servers/child.ts'

export type TrustingGateway = Awaited<ReturnType<typeof openTrusting>>

/** Documents by their ids. */
export async function openTrusting(documents: Readonly<Record<string, string>>) {
  const folder = await createFolder('trusting')
  const file = join(folder.path, 'documents.json')
  await writeFile(file, JSON.stringify(documents))
  const gateway = await openGateway({ TRUSTED_DOCUMENTS: 'prefer', TRUSTED_DOCUMENTS_FILE: file })
  const server = await gateway.serve()

  /** Answers with the view's id. */
  async function createView(name: string, sql: string): Promise<string> {
    const { queryTrain } = await server.data<{ queryTrain: { query: { id: string } } }>(
      'mutation ($sql: String!, $name: String!) { queryTrain(query: $sql, queryName: $name) { query { id } } }',
      { sql, name },
    )
    const { createFeatureView } = await server.data<{ createFeatureView: { id: string } }>(
      'mutation ($name: String!, $queryId: ID!) { createFeatureView(name: $name, queryId: $queryId, indexKey: "n") { id } }',
      { name, queryId: queryTrain.query.id },
    )
    return createFeatureView.id
  }

  async function close() {
    await server.close()
    await gateway.close()
    await folder.remove()
  }

  return { ...gateway, server, createView, close }
}
