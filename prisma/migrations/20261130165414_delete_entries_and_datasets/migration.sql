-- CreateEnum
CREATE TYPE "EntryNoun" AS ENUM ('SAVED_QUERY', 'ETL');

-- CreateTable
CREATE TABLE "DeletedDataset" (
    "id" TEXT NOT NULL,
    "deletedAt" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "DeletedDataset_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "DeletedVersion" (
    "noun" "EntryNoun" NOT NULL,
    "name" TEXT NOT NULL,
    "version" INTEGER NOT NULL,

    CONSTRAINT "DeletedVersion_pkey" PRIMARY KEY ("noun","name")
);

-- CreateIndex
CREATE INDEX "DeletedDataset_deletedAt_idx" ON "DeletedDataset"("deletedAt");
