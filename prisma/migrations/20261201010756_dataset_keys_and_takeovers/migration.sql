-- AlterTable
ALTER TABLE "Dataset" ADD COLUMN     "idempotencyKey" TEXT,
ADD COLUMN     "requestSha256" BYTEA,
ADD COLUMN     "takeovers" INTEGER NOT NULL DEFAULT 0;

-- CreateIndex
CREATE UNIQUE INDEX "Dataset_idempotencyKey_key" ON "Dataset"("idempotencyKey");
