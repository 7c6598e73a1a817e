-- An ETL's run over no rows showed at most the columns that it declares. Where no run has shown more, the next one decides.
DELETE FROM "EtlOutput" o
  WHERE EXISTS (
    SELECT FROM "Dataset" d WHERE d."etlId" = o."etlId" AND d."queryId" = o."queryId"
      AND d.status = 'SUCCEEDED' AND d."rowCount" = 0)
  AND NOT EXISTS (
    SELECT FROM "Dataset" d WHERE d."etlId" = o."etlId" AND d."queryId" = o."queryId"
      AND d.status = 'SUCCEEDED' AND d."rowCount" > 0);
