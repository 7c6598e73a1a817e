// Keys of every type in Trino, by the tables of docs/index-keys.md.

import { afterAll, beforeAll } from 'vitest'
import type { Warehouse } from '../../src/warehouse/port.ts'
import { testKeySpellings } from '../warehouse/key-spellings.ts'
import { createTrinoFolder, trinoUrl } from './open.ts'

let folder: Awaited<ReturnType<typeof createTrinoFolder>>
let warehouse: Warehouse

beforeAll(async () => {
  folder = await createTrinoFolder()
  warehouse = await folder.open(trinoUrl('contract'))
})
afterAll(async () => {
  await warehouse?.close()
  await folder.remove()
})

testKeySpellings('Trino', () => warehouse)
