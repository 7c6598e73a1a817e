SELECT user_id, quotes, failed_payments, amount, is_paid, card_type, last_seen, risk, device,
  amount / (1 + failed_payments) AS score
FROM input
