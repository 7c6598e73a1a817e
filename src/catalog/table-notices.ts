// Tables that others have said they had written to, and when they last did.

import type { PrismaClient } from './generated/client.ts'

export interface TableNotices {
  /** `table` is schema.name. */
  note(table: string, at: Date): Promise<void>
  /** By schema.name. */
  all(): Promise<ReadonlyMap<string, Date>>
}

export function createTableNotices(prisma: PrismaClient): TableNotices {
  return {
    async note(table, at) {
      await prisma.$executeRaw`INSERT INTO "TableNotice" ("table", "noticedAt") VALUES (${table}, ${at})
        ON CONFLICT ("table") DO UPDATE SET "noticedAt" = greatest("TableNotice"."noticedAt", excluded."noticedAt")`
    },
    async all() {
      const notices = await prisma.tableNotice.findMany()
      return new Map(notices.map(({ table, noticedAt }) => [table, noticedAt]))
    },
  }
}
