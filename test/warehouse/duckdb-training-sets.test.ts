// Training sets in the embedded warehouse.

import { testTrainingSets } from '../contract/training-sets.ts'
import { createWarehouseFolder } from './open-duckdb.ts'

testTrainingSets('DuckDB', createWarehouseFolder)
