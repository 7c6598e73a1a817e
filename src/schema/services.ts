// What the resolvers and the HTTP routes call: the services beneath, as app.ts wires them.

import type { Access } from '../access/access.ts'
import type { Catalog } from '../catalog/open.ts'
import type { EtlService } from '../etl/service.ts'
import type { Deletions } from '../features/deletions.ts'
import type { FeatureServices } from '../features/services.ts'
import type { Publishing } from '../publish/service.ts'
import type { Tables } from '../publish/tables.ts'
import type { Uploads } from '../publish/upload/uploads.ts'
import type { Realtime } from '../realtime/service.ts'
import type { Vectors } from '../realtime/vectors/vectors.ts'
import type { Training } from '../training/service.ts'
import type { TypedState } from './typed/entries.ts'

export interface Services {
  catalog: Catalog
  training: Training
  uploads: Uploads
  realtime: Realtime
  publishing: Publishing
  tables: Tables
  etlService: EtlService
  deletions: Deletions
  featureServices: FeatureServices
  vectors: Vectors
  access: Access
  typed: TypedState
}
