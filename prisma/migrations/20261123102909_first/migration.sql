-- CreateEnum
CREATE TYPE "EtlLanguage" AS ENUM ('SQL', 'JAVASCRIPT', 'TYPESCRIPT');

-- CreateEnum
CREATE TYPE "RefreshPolicy" AS ENUM ('AUTO', 'BY_KEY', 'FULL', 'MANUAL');

-- CreateEnum
CREATE TYPE "JobStatus" AS ENUM ('QUEUED', 'RUNNING', 'SUCCEEDED', 'FAILED', 'CANCELLED');

-- CreateEnum
CREATE TYPE "PublishKind" AS ENUM ('FLOWS', 'ROWS');

-- CreateTable
CREATE TABLE "SavedQuery" (
    "id" TEXT NOT NULL,
    "name" TEXT NOT NULL,
    "version" INTEGER NOT NULL,
    "sql" TEXT NOT NULL,
    "sqlSha256" TEXT NOT NULL,
    "description" TEXT,
    "tags" TEXT[] DEFAULT ARRAY[]::TEXT[],
    "columns" JSONB NOT NULL,
    "createdAt" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "SavedQuery_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "Etl" (
    "id" TEXT NOT NULL,
    "name" TEXT NOT NULL,
    "version" INTEGER NOT NULL,
    "path" TEXT NOT NULL,
    "language" "EtlLanguage" NOT NULL,
    "commit" TEXT,
    "contentSha256" TEXT NOT NULL,
    "source" TEXT NOT NULL,
    "createdAt" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "Etl_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "EtlOutput" (
    "etlId" TEXT NOT NULL,
    "queryId" TEXT NOT NULL,
    "columns" JSONB NOT NULL,
    "createdAt" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "EtlOutput_pkey" PRIMARY KEY ("etlId","queryId")
);

-- CreateTable
CREATE TABLE "FeatureView" (
    "id" TEXT NOT NULL,
    "name" TEXT NOT NULL,
    "queryId" TEXT NOT NULL,
    "etlId" TEXT,
    "indexKey" TEXT NOT NULL,
    "ttlSeconds" INTEGER,
    "refresh" "RefreshPolicy" NOT NULL,
    "refreshNote" TEXT,
    "tables" TEXT[],
    "implicit" BOOLEAN NOT NULL DEFAULT false,
    "refreshedAt" TIMESTAMPTZ(3),
    "refreshedVersion" BIGINT,
    "createdAt" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "FeatureView_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "Dataset" (
    "id" TEXT NOT NULL,
    "status" "JobStatus" NOT NULL,
    "queryId" TEXT,
    "etlId" TEXT,
    "sql" TEXT NOT NULL,
    "columns" JSONB NOT NULL DEFAULT '[]',
    "rowCount" BIGINT,
    "progress" DOUBLE PRECISION,
    "elapsedMs" DOUBLE PRECISION,
    "error" TEXT,
    "errorCode" TEXT,
    "createdAt" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "Dataset_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "PublishJob" (
    "id" TEXT NOT NULL,
    "kind" "PublishKind" NOT NULL,
    "status" "JobStatus" NOT NULL,
    "total" INTEGER NOT NULL,
    "done" INTEGER NOT NULL DEFAULT 0,
    "seed" INTEGER,
    "run" INTEGER,
    "table" TEXT,
    "payload" BYTEA,
    "error" TEXT,
    "createdAt" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "startedAt" TIMESTAMPTZ(3),
    "finishedAt" TIMESTAMPTZ(3),

    CONSTRAINT "PublishJob_pkey" PRIMARY KEY ("id")
);

-- CreateIndex
CREATE INDEX "SavedQuery_createdAt_id_idx" ON "SavedQuery"("createdAt", "id");

-- CreateIndex
CREATE INDEX "SavedQuery_tags_idx" ON "SavedQuery" USING GIN ("tags");

-- CreateIndex
CREATE UNIQUE INDEX "SavedQuery_name_version_key" ON "SavedQuery"("name", "version");

-- CreateIndex
CREATE UNIQUE INDEX "SavedQuery_name_sqlSha256_key" ON "SavedQuery"("name", "sqlSha256");

-- CreateIndex
CREATE INDEX "Etl_path_contentSha256_idx" ON "Etl"("path", "contentSha256");

-- CreateIndex
CREATE INDEX "Etl_createdAt_id_idx" ON "Etl"("createdAt", "id");

-- CreateIndex
CREATE UNIQUE INDEX "Etl_name_version_key" ON "Etl"("name", "version");

-- CreateIndex
CREATE UNIQUE INDEX "FeatureView_name_key" ON "FeatureView"("name");

-- CreateIndex
CREATE INDEX "FeatureView_queryId_indexKey_idx" ON "FeatureView"("queryId", "indexKey");

-- CreateIndex
CREATE INDEX "FeatureView_createdAt_id_idx" ON "FeatureView"("createdAt", "id");

-- CreateIndex
CREATE INDEX "Dataset_createdAt_id_idx" ON "Dataset"("createdAt", "id");

-- CreateIndex
CREATE INDEX "Dataset_queryId_etlId_idx" ON "Dataset"("queryId", "etlId");

-- CreateIndex
CREATE INDEX "Dataset_status_idx" ON "Dataset"("status");

-- CreateIndex
CREATE INDEX "PublishJob_createdAt_id_idx" ON "PublishJob"("createdAt", "id");

-- CreateIndex
CREATE INDEX "PublishJob_status_idx" ON "PublishJob"("status");

-- CreateIndex
CREATE UNIQUE INDEX "PublishJob_seed_run_key" ON "PublishJob"("seed", "run");

-- AddForeignKey
ALTER TABLE "EtlOutput" ADD CONSTRAINT "EtlOutput_etlId_fkey" FOREIGN KEY ("etlId") REFERENCES "Etl"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "EtlOutput" ADD CONSTRAINT "EtlOutput_queryId_fkey" FOREIGN KEY ("queryId") REFERENCES "SavedQuery"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "FeatureView" ADD CONSTRAINT "FeatureView_queryId_fkey" FOREIGN KEY ("queryId") REFERENCES "SavedQuery"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "FeatureView" ADD CONSTRAINT "FeatureView_etlId_fkey" FOREIGN KEY ("etlId") REFERENCES "Etl"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "Dataset" ADD CONSTRAINT "Dataset_queryId_fkey" FOREIGN KEY ("queryId") REFERENCES "SavedQuery"("id") ON DELETE SET NULL ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "Dataset" ADD CONSTRAINT "Dataset_etlId_fkey" FOREIGN KEY ("etlId") REFERENCES "Etl"("id") ON DELETE SET NULL ON UPDATE CASCADE;
