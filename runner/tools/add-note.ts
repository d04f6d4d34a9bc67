import { z } from "zod";
import { expandPath } from "../fetch/path.ts";
import { defineTool } from "../tool.ts";
import { boundCustomer, CRM_ORIGIN, successBody } from "./crm.ts";

export const addNote = defineTool({
  name: "add_note",
  description: "Adds a note to the record of the customer that this session works for.",
  kind: "api",
  network: "own",
  rerun: "keyed",
  input: z.strictObject({
    text: z.string().min(1).max(10_000).describe("The note, in plain text."),
  }),
  async run({ text }, context) {
    const path = expandPath("/v1/customers/{customer}/notes", { customer: boundCustomer(context) });
    const response = await context.fetch(`${CRM_ORIGIN}${path}`, {
      method: "POST",
      headers: {
        accept: "application/json",
        "content-type": "application/json",
        // The call's id stays the same when the call is run again, so the API can tell a repetition.
        "idempotency-key": context.callId,
      },
      body: JSON.stringify({ text }),
      signal: context.signal,
    });
    await successBody(response, "the customer records API");
    return "The note was added.";
  },
});
