-- AlterTable
ALTER TABLE "FeatureView" ADD COLUMN     "floor" BIGINT;

-- CreateTable
CREATE TABLE "ViewRefresh" (
    "viewId" TEXT NOT NULL,
    "owner" TEXT NOT NULL,
    "version" BIGINT,
    "position" TEXT,
    "rows" BIGINT NOT NULL DEFAULT 0,
    "startedAt" TIMESTAMPTZ(3),
    "updatedAt" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "ViewRefresh_pkey" PRIMARY KEY ("viewId")
);

-- AddForeignKey
ALTER TABLE "ViewRefresh" ADD CONSTRAINT "ViewRefresh_viewId_fkey" FOREIGN KEY ("viewId") REFERENCES "FeatureView"("id") ON DELETE CASCADE ON UPDATE CASCADE;
