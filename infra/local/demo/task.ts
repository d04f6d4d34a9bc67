/**
 * The task that the scripted brain works in the demo: a customer on the gold plan was charged the list price. The turns
 * are what a model would do with the `support` agent's tools; the fixture repository is in `workspace/`.
 */
export interface Call {
  name: string;
  input: Record<string, unknown>;
}

/** One turn of the local Anthropic server's script: words, then calls that are made together. */
export interface Turn {
  say?: string;
  call?: Call[];
}

/** The customer of the demo's session; `metadata.customer` of the session binds it. */
export const CUSTOMER = "cus_8Q2wLr";

const FIXED = `/** Discount in per cent for each support plan, as sold. */
const DISCOUNT = { free: 0, team: 10, gold: 20 };

/** What a customer pays, in cents, for a list price in cents. */
export function price(listPrice, plan) {
  const discount = DISCOUNT[plan];
  if (discount === undefined) throw new Error(\`unknown plan \${plan}\`);
  return Math.round(listPrice * (1 - discount / 100));
}
`;

export const REQUEST =
  "Our customer says that they were charged the list price. Find out why, fix it, and leave a note.";

export const TASK: Turn[] = [
  { say: "I'll look at the repository first.", call: [{ name: "list_files", input: { path: "." } }] },
  {
    call: [
      { name: "read_file", input: { path: "price.mjs" } },
      { name: "read_file", input: { path: "price.test.mjs" } },
    ],
  },
  { say: "Do the tests agree with the complaint?", call: [{ name: "run_tests", input: {} }] },
  { say: "The gold plan fails. Which plan is this customer on?", call: [{ name: "get_customer", input: {} }] },
  {
    say: "Gold, so the discount is missing.",
    call: [{ name: "write_file", input: { path: "price.mjs", content: FIXED } }],
  },
  {
    call: [
      { name: "run_tests", input: {} },
      { name: "execute_command", input: { command: "curl -sS https://packages.example/price-schema/latest" } },
    ],
  },
  {
    call: [
      {
        name: "add_note",
        input: { text: "Gold plan was billed without its 20% discount. Fixed in price.mjs; tests pass." },
      },
    ],
  },
  { say: "Fixed: the gold plan had no discount. The tests pass and the customer's record has a note." },
];
