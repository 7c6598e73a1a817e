// Training sets in PostgreSQL, by an index and without one.

import { testTrainingSets } from '../contract/training-sets.ts'
import { startPostgres } from '../servers/postgres.ts'
import { createPostgresWarehouseFolder } from './open-postgres.ts'

testTrainingSets('PostgreSQL', async () => {
  const server = await startPostgres()
  const folder = await createPostgresWarehouseFolder(server.url)
  return {
    ...folder,
    async remove() {
      await server.stop()
      await folder.remove()
    },
  }
})
