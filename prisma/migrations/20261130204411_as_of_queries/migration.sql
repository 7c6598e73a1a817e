-- AlterTable
ALTER TABLE "Dataset" DROP COLUMN "asOf",
ADD COLUMN     "asOf" BIGINT;

-- AlterTable
ALTER TABLE "SavedQuery" ADD COLUMN     "asksForMoment" BOOLEAN NOT NULL DEFAULT false;
