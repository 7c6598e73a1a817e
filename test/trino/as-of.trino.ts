// Training sets of views whose queries call as_of(), on Trino: a run for each moment.

import { testAsOfSets } from '../training/as-of-sets.ts'
import { trinoUrl } from './open.ts'

testAsOfSets('Trino', async () => ({ url: trinoUrl('moments'), stop: async () => {} }), {
  fewMoments: true,
  rounds: 2,
})
