-- AlterTable
ALTER TABLE "FeatureView" ADD COLUMN     "lastUsedAt" TIMESTAMPTZ(3);
