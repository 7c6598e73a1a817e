-- AlterTable
ALTER TABLE "Dataset" ADD COLUMN     "owner" TEXT;
