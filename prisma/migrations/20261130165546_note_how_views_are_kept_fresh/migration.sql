-- AlterTable
ALTER TABLE "FeatureView" ADD COLUMN     "createdColumn" TEXT,
ADD COLUMN     "createdUntil" TIMESTAMPTZ(6),
ADD COLUMN     "driftNote" TEXT,
ADD COLUMN     "lateness" TEXT NOT NULL DEFAULT '1h',
ADD COLUMN     "refreshEvery" TEXT;

-- CreateTable
CREATE TABLE "TableNotice" (
    "table" TEXT NOT NULL,
    "noticedAt" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "TableNotice_pkey" PRIMARY KEY ("table")
);
