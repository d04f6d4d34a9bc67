/** The edits of the tour: each a change that somebody would make to the example policy in good faith. */
import type { Verdict } from "../../policies/engine/compare/comparison.ts";

/** One edit. */
export interface Edit {
  readonly title: string;
  /** What its author had in mind. */
  readonly story: string;
  /** Texts of the policy's file, each there exactly once, and what takes their place. */
  readonly replace: readonly (readonly [string, string])[];
  /** What a reviewer is told. */
  readonly verdict: Verdict;
}

const REGISTRY = 'const packageRegistry: AllowRule<never> = { methods: READ_ONLY, host: "packages.example" };';
const CUSTOMER =
  'allow: [{ methods: ["GET"], host: "api.crm.example", path: "/v1/customers/{customer}", credential: "crm" }],';
const NOTES =
  '{ methods: ["POST"], host: "api.crm.example", path: "/v1/customers/{customer}/notes", credential: "crm-write" },';

export const EDITS: readonly Edit[] = [
  {
    title: "Narrower",
    story: "Snapshots need no packages of their own any more.",
    replace: [["  setup: [packageRegistry],", "  setup: [],"]],
    verdict: "narrower",
  },
  {
    title: "Equivalent",
    story: "Somebody writes one rule as two, and the methods in another order. No request notices.",
    replace: [
      [REGISTRY, REGISTRY.replace("READ_ONLY", '["HEAD", "GET"]')],
      [
        "  sandbox: [packageRegistry],",
        '  sandbox: [{ ...packageRegistry, methods: ["HEAD"] }, { ...packageRegistry, methods: ["GET"] }],',
      ],
    ],
    verdict: "equivalent",
  },
  {
    title: "Wider",
    story: "get_customer shall show the customer's orders too.",
    replace: [
      [
        CUSTOMER,
        CUSTOMER.replace(
          "allow: [",
          'allow: [{ methods: ["GET"], host: "api.crm.example", path: "/v1/customers/{customer}/orders", credential: "crm" }, ',
        ),
      ],
    ],
    verdict: "wider",
  },
  {
    title: "Incomparable",
    story: "The CRM renames notes to comments: add_note loses one route and gains another.",
    replace: [[NOTES, NOTES.replace("/notes", "/comments")]],
    verdict: "incomparable",
  },
  {
    title: "A wildcard slips in",
    story:
      "The registry gets mirrors, so its host becomes *.packages.example, with the reason that the language asks for. But a " +
      "wildcard holds for every name below and not for the name itself: the registry is lost, and anything below it gained.",
    replace: [
      [REGISTRY, REGISTRY.replace('"packages.example"', '"*.packages.example", reason: "mirrors are named by region"')],
    ],
    verdict: "incomparable",
  },
];
