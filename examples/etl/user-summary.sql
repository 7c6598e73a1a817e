-- SQL: one SELECT over the table `input`, which holds the query's rows. In real time `input` holds the rows of one user,
-- so what it gives for a user must need no other user's rows: group by the key, or stay within it.

SELECT
  user_id,
  count(*) AS quotes,
  count(*) FILTER (WHERE is_binded) AS bound_quotes,
  min(to_timestamp(creation_date) AT TIME ZONE 'UTC') AS first_quote_at,
  max(to_timestamp(purchase_time) AT TIME ZONE 'UTC') AS last_purchase_at,
  coalesce(max(failed_count), 0) AS failed_payments,
  coalesce(bool_or(card_type = 'credit'), false) AS has_credit_card
FROM input
WHERE user_id IS NOT NULL
GROUP BY user_id
ORDER BY user_id
