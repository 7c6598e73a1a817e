-- AlterTable
ALTER TABLE "Dataset" ADD COLUMN     "handedBack" BOOLEAN NOT NULL DEFAULT false,
ADD COLUMN     "unsavedEtl" JSONB;

-- CreateTable
CREATE TABLE "RemovedView" (
    "id" TEXT NOT NULL,
    "removedAt" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "RemovedView_pkey" PRIMARY KEY ("id")
);
