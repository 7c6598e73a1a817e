// A backend's day: `GATEWAY_URL=http://127.0.0.1:4000 ETL_PATH=… node examples/client/main.ts`.

import { extract, featuresOf, publishAndFollow, train } from './features.ts'
import { createTransport } from './transport.ts'

const gateway = createTransport(process.env.GATEWAY_URL ?? 'http://127.0.0.1:4000', {
  token: process.env.GATEWAY_TOKEN,
  byDocumentId: process.env.BY_DOCUMENT_ID === 'true',
})
const etlPath = process.env.ETL_PATH ?? 'file:./examples/etl/quote-features.ts'

const query = `SELECT Q.user_id, Q.is_binded, Q.creation_date, Q.binding_date, T.card_type, F.failed_count, P.purchase_time
FROM feature_store.quotes Q
LEFT JOIN feature_store.policies P ON Q.user_id = P.user_id
LEFT JOIN feature_store.transactions T ON P.user_id = T.user_id
LEFT JOIN (select T2.user_id, COUNT(T2.transaction_id) AS failed_count
           from feature_store.transactions T2 WHERE T2.successful=false GROUP BY T2.user_id) F ON Q.user_id = F.user_id`

await publishAndFollow(gateway, { nFlows: 200 }, (done, total) =>
  console.log(`published ${done} of ${total}`),
)

const training = await train(gateway, query, 'quote_features')
if (!training.query) throw new Error('The query was not saved')
console.log(`${training.query.id} version ${training.query.version}: ${training.dataset.rowCount} rows`)

const extraction = await extract(gateway, training.query.id, etlPath)
const columns = extraction.dataset.columns.map((column) => `${column.name}: ${column.type}`)
console.log(`${extraction.etl?.id ?? etlPath} gives ${columns.join(', ')}`)

const userIds = training.dataset.rows.map((row) => row.user_id).filter((id) => typeof id === 'string')
const features = await featuresOf(gateway, training.query.id, etlPath, [...new Set(userIds)])
for (const user of features.slice(0, 3)) console.log(user.indexValue, user.status, JSON.stringify(user.rows))
console.log(`${features.length} users looked up`)
