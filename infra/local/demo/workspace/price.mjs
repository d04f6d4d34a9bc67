/** Discount in per cent for each support plan, as sold. */
const DISCOUNT = { free: 0, team: 10, gold: 0 };

/** What a customer pays, in cents, for a list price in cents. */
export function price(listPrice, plan) {
  const discount = DISCOUNT[plan];
  if (discount === undefined) throw new Error(`unknown plan ${plan}`);
  return Math.round(listPrice * (1 - discount / 100));
}
