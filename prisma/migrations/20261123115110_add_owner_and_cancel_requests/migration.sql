-- AlterTable
ALTER TABLE "Dataset" ADD COLUMN     "cancelRequested" BOOLEAN NOT NULL DEFAULT false;

-- AlterTable
ALTER TABLE "PublishJob" ADD COLUMN     "cancelRequested" BOOLEAN NOT NULL DEFAULT false,
ADD COLUMN     "owner" TEXT;
