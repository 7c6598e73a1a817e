-- AlterTable
ALTER TABLE "PublishJob" ADD COLUMN     "waitingFor" TEXT;
