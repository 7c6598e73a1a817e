-- AlterTable
ALTER TABLE "Dataset" ADD COLUMN     "asOf" TIMESTAMPTZ(6),
ADD COLUMN     "trainingSet" JSONB;

-- AlterTable
ALTER TABLE "FeatureView" ADD COLUMN     "description" TEXT,
ADD COLUMN     "eventTtlSeconds" INTEGER,
ADD COLUMN     "featureNotes" JSONB NOT NULL DEFAULT '[]',
ADD COLUMN     "graphqlName" TEXT,
ADD COLUMN     "owner" TEXT,
ADD COLUMN     "tags" TEXT[] DEFAULT ARRAY[]::TEXT[],
ADD COLUMN     "timestampColumn" TEXT;

-- CreateTable
CREATE TABLE "FeatureService" (
    "id" TEXT NOT NULL,
    "name" TEXT NOT NULL,
    "version" INTEGER NOT NULL,
    "references" JSONB NOT NULL,
    "requestColumns" JSONB NOT NULL DEFAULT '[]',
    "etlId" TEXT,
    "contentSha256" TEXT NOT NULL,
    "description" TEXT,
    "owner" TEXT,
    "tags" TEXT[] DEFAULT ARRAY[]::TEXT[],
    "graphqlName" TEXT,
    "createdAt" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "FeatureService_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "FeatureServiceView" (
    "serviceId" TEXT NOT NULL,
    "viewId" TEXT NOT NULL,

    CONSTRAINT "FeatureServiceView_pkey" PRIMARY KEY ("serviceId","viewId")
);

-- CreateIndex
CREATE INDEX "FeatureService_createdAt_id_idx" ON "FeatureService"("createdAt", "id");

-- CreateIndex
CREATE UNIQUE INDEX "FeatureService_name_version_key" ON "FeatureService"("name", "version");

-- CreateIndex
CREATE UNIQUE INDEX "FeatureService_name_contentSha256_key" ON "FeatureService"("name", "contentSha256");

-- CreateIndex
CREATE INDEX "FeatureServiceView_viewId_idx" ON "FeatureServiceView"("viewId");

-- CreateIndex
CREATE UNIQUE INDEX "FeatureView_graphqlName_key" ON "FeatureView"("graphqlName");

-- AddForeignKey
ALTER TABLE "FeatureService" ADD CONSTRAINT "FeatureService_etlId_fkey" FOREIGN KEY ("etlId") REFERENCES "Etl"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "FeatureServiceView" ADD CONSTRAINT "FeatureServiceView_serviceId_fkey" FOREIGN KEY ("serviceId") REFERENCES "FeatureService"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "FeatureServiceView" ADD CONSTRAINT "FeatureServiceView_viewId_fkey" FOREIGN KEY ("viewId") REFERENCES "FeatureView"("id") ON DELETE RESTRICT ON UPDATE CASCADE;
