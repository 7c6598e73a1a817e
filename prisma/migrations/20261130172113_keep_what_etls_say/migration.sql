-- CreateTable
CREATE TABLE "DatasetLog" (
    "datasetId" TEXT NOT NULL,
    "lines" TEXT[],

    CONSTRAINT "DatasetLog_pkey" PRIMARY KEY ("datasetId")
);

-- AddForeignKey
ALTER TABLE "DatasetLog" ADD CONSTRAINT "DatasetLog_datasetId_fkey" FOREIGN KEY ("datasetId") REFERENCES "Dataset"("id") ON DELETE CASCADE ON UPDATE CASCADE;
