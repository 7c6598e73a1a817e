// The short form of npm run fuzz.

import { expect, test } from 'vitest'
import { fuzz } from './fuzz.ts'

test('random documents, variables, SQL, ETLs, bodies and paths end with no crash, no hang, no INTERNAL and no leak', async () => {
  const { sent, ends, findings } = await fuzz({ seconds: 20, seed: 1 })
  expect(findings).toEqual([])
  expect(sent).toBeGreaterThan(20)
  expect(Object.keys(ends).length).toBeGreaterThan(5)
})
