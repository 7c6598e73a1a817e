-- AlterEnum
ALTER TYPE "EntryNoun" ADD VALUE 'FEATURE_SERVICE';

-- AlterTable
ALTER TABLE "FeatureService" ADD COLUMN     "columns" JSONB NOT NULL DEFAULT '[]';
