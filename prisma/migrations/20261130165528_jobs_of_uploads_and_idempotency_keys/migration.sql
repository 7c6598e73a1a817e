-- AlterTable
ALTER TABLE "PublishJob" ADD COLUMN     "idempotencyKey" TEXT,
ADD COLUMN     "requestSha256" BYTEA,
ADD COLUMN     "upload" TEXT;

-- CreateIndex
CREATE UNIQUE INDEX "PublishJob_idempotencyKey_key" ON "PublishJob"("idempotencyKey");
