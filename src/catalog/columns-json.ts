// Columns as the catalog keeps them: JSON, in which PostgreSQL does not keep the order of an object's fields.

import { z } from 'zod'
import { type Column, columnTypes } from '../values/columns.ts'
import type { Prisma } from './generated/client.ts'

export const columnJson = z.object({
  name: z.string(),
  type: z.enum(columnTypes),
  nullable: z.boolean(),
  storage: z.string(),
  native: z.string().exactOptional(),
})
const schema = z.array(columnJson)

export function parseColumns(json: unknown): Column[] {
  return schema.parse(json)
}

export function toColumnsJson(columns: readonly Column[]): Prisma.InputJsonArray {
  return columns.map(({ name, type, nullable, storage, native }) => ({
    name,
    type,
    nullable,
    storage,
    ...(native !== undefined && { native }),
  }))
}
