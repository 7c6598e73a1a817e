// Five lines of features, row by row.

export function transform(row: Record<string, number & string>) {
  const { user_id, quotes, failed_payments, amount, is_paid, card_type, last_seen, risk, device } = row
  return {
    user_id,
    quotes,
    failed_payments,
    amount,
    is_paid,
    card_type,
    last_seen,
    risk,
    device,
    score: (amount ?? 0) / (1 + (failed_payments ?? 0)),
  }
}
