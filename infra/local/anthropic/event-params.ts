/** The events that clients may send (`contracts` §5.1), as zod checks them at the door. */
import { z } from "zod";

const text = z.strictObject({ type: z.literal("text"), text: z.string().min(1) });
const source = z.looseObject({ type: z.enum(["base64", "url", "file", "text"]) });
const image = z.strictObject({ type: z.literal("image"), source });
const document = z.strictObject({
  type: z.literal("document"),
  source,
  title: z.string().nullish(),
  context: z.string().nullish(),
});
const searchResult = z.looseObject({ type: z.literal("search_result"), source: z.string(), title: z.string() });

const messageContent = z.array(z.discriminatedUnion("type", [text, image, document])).min(1);
const resultContent = z.array(z.discriminatedUnion("type", [text, image, document, searchResult]));

const userMessage = z.strictObject({ type: z.literal("user.message"), content: messageContent });
const defineOutcome = z.strictObject({
  type: z.literal("user.define_outcome"),
  description: z.string().min(1),
  rubric: z.discriminatedUnion("type", [
    z.strictObject({ type: z.literal("text"), content: z.string().min(1).max(262_144) }),
    z.strictObject({ type: z.literal("file"), file_id: z.string() }),
  ]),
  max_iterations: z.number().int().min(1).max(20).nullish(),
});

const eventParams = z.discriminatedUnion("type", [
  userMessage,
  defineOutcome,
  z.strictObject({ type: z.literal("user.interrupt"), session_thread_id: z.string().nullish() }),
  z.strictObject({
    type: z.literal("user.tool_confirmation"),
    tool_use_id: z.string(),
    result: z.enum(["allow", "deny"]),
    deny_message: z.string().nullish(),
  }),
  z.strictObject({
    type: z.literal("user.custom_tool_result"),
    custom_tool_use_id: z.string(),
    content: resultContent.optional(),
    is_error: z.boolean().nullish(),
  }),
  z.strictObject({
    type: z.literal("user.tool_result"),
    tool_use_id: z.string(),
    content: resultContent.optional(),
    is_error: z.boolean().nullish(),
  }),
  z.strictObject({ type: z.literal("system.message"), content: z.array(text).min(1).max(1000) }),
]);

export type EventParams = z.infer<typeof eventParams>;

export const sendBody = z.strictObject({ events: z.array(eventParams).min(1) });

/** What a session may be created with. */
export const initialEvents = z.array(z.discriminatedUnion("type", [userMessage, defineOutcome])).max(50);
