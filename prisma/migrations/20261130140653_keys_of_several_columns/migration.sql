-- AlterTable
ALTER TABLE "FeatureView" ADD COLUMN     "indexKeys" TEXT[];

UPDATE "FeatureView" SET "indexKeys" = ARRAY["indexKey"];
