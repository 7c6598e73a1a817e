-- DropIndex
DROP INDEX "FeatureView_queryId_indexKey_idx";

-- AlterTable
ALTER TABLE "FeatureView" ADD COLUMN     "target" TEXT;

UPDATE "FeatureView" SET "target" =
  encode(sha256(convert_to("queryId" || E'\n' || coalesce("etlId", '') || E'\n' || "indexKey", 'UTF8')), 'hex');

-- Of several views of one target the one that served it stays: one that was asked for, the oldest.
WITH doubled AS (
  SELECT id FROM (
    SELECT id, row_number() OVER (PARTITION BY "target" ORDER BY implicit, "createdAt", id) AS place FROM "FeatureView"
  ) placed WHERE place > 1),
removed AS (
  INSERT INTO "RemovedView" (id) SELECT id FROM doubled ON CONFLICT DO NOTHING)
DELETE FROM "FeatureView" WHERE id IN (SELECT id FROM doubled);

ALTER TABLE "FeatureView" ALTER COLUMN "target" SET NOT NULL;

-- CreateIndex
CREATE UNIQUE INDEX "FeatureView_target_key" ON "FeatureView"("target");

-- CreateIndex
CREATE INDEX "FeatureView_queryId_idx" ON "FeatureView"("queryId");
