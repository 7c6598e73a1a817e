// Five lines over the joined row of three views.
export function transform(row: Record<string, number | string | boolean | null>) {
  const amount = Number(row.a_amount) + Number(row.b_amount) + Number(row.c_amount)
  const failed = Number(row.a_failed) / (1 + Number(row.a_quotes))
  return { user_id: row.user_id, amount, failed, risk: row.b_risk ?? 0, is_mobile: row.c_device === 'mobile' }
}
