import { expect, test } from "vitest";
import { gateCode } from "../../policies/review/gate.ts";
import { verdictOf } from "../../policies/review/review.ts";
import { takeTour } from "./tour.ts";

const stops = await takeTour();

test.each(stops.map((stop) => [stop.edit.title, stop] as const))(
  "%s: the reviewer is told so",
  (_, { edit, review }) => {
    expect(verdictOf(review)).toBe(edit.verdict);
    expect(gateCode(review)).toBe(edit.verdict === "wider" || edit.verdict === "incomparable" ? 2 : 0);
  },
);

test("shows for each change a request that a reviewer understands", () => {
  const seen = stops.map(({ review }) =>
    review.policies.flatMap(({ comparison }) =>
      comparison.changes.map(
        ({ verdict, principal, witness }) => `${verdict} ${principal}: ${witness?.method} ${witness?.url}`,
      ),
    ),
  );
  expect(seen).toMatchInlineSnapshot(`
    [
      [
        "narrower sandbox: GET https://packages.example/",
      ],
      [],
      [
        "wider get_customer: GET https://api.crm.example/v1/customers/cus_42/orders",
      ],
      [
        "wider add_note: POST https://api.crm.example/v1/customers/cus_42/comments",
        "narrower add_note: POST https://api.crm.example/v1/customers/cus_42/notes",
      ],
      [
        "wider sandbox: GET https://www.packages.example/",
        "wider sandbox: GET https://www.packages.example/",
        "narrower sandbox: GET https://packages.example/",
        "narrower sandbox: GET https://packages.example/",
      ],
    ]
  `);
});

test("an edit that does not fit the policy any more says so", async () => {
  const edit = { title: "Late", story: "", replace: [["no such rule", ""]], verdict: "wider" } as const;
  await expect(takeTour([edit])).rejects.toThrow(/"Late" does not fit support\.policy\.ts/);
});
