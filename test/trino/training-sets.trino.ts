// Training sets on Trino, by windows over the spine and the rows.

import { testTrainingSets } from '../contract/training-sets.ts'
import { createTrinoFolder, trinoUrl } from './open.ts'

testTrainingSets('Trino', async () => {
  const folder = await createTrinoFolder()
  return { ...folder, open: () => folder.open(trinoUrl('sets')) }
})
