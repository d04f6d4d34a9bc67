import { z } from "zod";
import { expandPath } from "../fetch/path.ts";
import { defineTool } from "../tool.ts";
import { boundCustomer, CRM_ORIGIN, successBody } from "./crm.ts";

export const getCustomer = defineTool({
  name: "get_customer",
  description: "Returns the record of the customer that this session works for, as JSON. It cannot look up others.",
  kind: "api",
  network: "own",
  rerun: "safe",
  input: z.strictObject({}),
  async run(_input, context) {
    const path = expandPath("/v1/customers/{customer}", { customer: boundCustomer(context) });
    const response = await context.fetch(`${CRM_ORIGIN}${path}`, {
      headers: { accept: "application/json" },
      signal: context.signal,
    });
    return successBody(response, "the customer records API");
  },
});
