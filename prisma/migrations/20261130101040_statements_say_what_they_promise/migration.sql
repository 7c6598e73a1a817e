-- CreateEnum
CREATE TYPE "Determinism" AS ENUM ('EXACT', 'ROUNDING', 'OPEN');

-- AlterTable
ALTER TABLE "FeatureView" ADD COLUMN     "determinism" "Determinism",
ADD COLUMN     "determinismNote" TEXT;

-- AlterTable
ALTER TABLE "SavedQuery" ADD COLUMN     "determinism" "Determinism",
ADD COLUMN     "determinismNote" TEXT;
