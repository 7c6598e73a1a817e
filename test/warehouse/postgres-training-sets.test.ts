// Training sets in PostgreSQL, by an index and without one.

import { testTrainingSets } from '../contract/training-sets.ts'
import { startPostgres } from '../servers/postgres.ts'
import { createPostgresWarehouseFolder } from './open-postgres.ts'

testTrainingSets('PostgreSQL', async () => {
  const server = await startPostgres()
  // What the sessions of others begin with must not be seen.
  const zone = `ALTER DATABASE postgres SET TimeZone = 'Europe/Berlin'`
  const folder = await createPostgresWarehouseFolder(server.url, zone)
  return {
    ...folder,
    async remove() {
      await server.stop()
      await folder.remove()
    },
  }
})
