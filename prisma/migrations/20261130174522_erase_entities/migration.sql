-- AlterEnum
ALTER TYPE "PublishKind" ADD VALUE 'ERASURE';

-- AlterTable
ALTER TABLE "PublishJob" ADD COLUMN     "erasure" JSONB;
