/** Cursor pages: `?limit=&page=` → `{data, next_page}`. */
import { z } from "zod";
import { badRequest } from "./errors.ts";

/** `limit` and `page` as they arrive in a query string. */
export const pageQuery = {
  limit: z.coerce.number().int().min(1).max(1000).optional(),
  page: z.string().min(1).optional(),
};

export const orderQuery = z.enum(["asc", "desc"]);
export type Order = z.infer<typeof orderQuery>;

export interface Page<T> {
  data: T[];
  next_page: string | null;
  prev_page: string | null;
}

const cursorSchema = z.strictObject({
  order: orderQuery,
  /** Where the page starts: the first item whose position is beyond (`next`) or the last ones before (`prev`) this. */
  from: z.number(),
  direction: z.enum(["next", "prev"]),
});
type Cursor = z.infer<typeof cursorSchema>;

const encode = (cursor: Cursor) => Buffer.from(JSON.stringify(cursor)).toString("base64url");

function decode(page: string, order: Order): Cursor {
  let cursor: Cursor;
  try {
    cursor = cursorSchema.parse(JSON.parse(Buffer.from(page, "base64url").toString()));
  } catch {
    throw badRequest("page: invalid cursor; pass next_page of the previous response unchanged");
  }
  if (cursor.order !== order) throw badRequest("page: this cursor was made for another order; start again without it");
  return cursor;
}

export interface Positioned {
  /** Place in the order of creation; never reused, so items that come or go between two pages shift nothing. */
  seq: number;
}

/** One page of `items`, which are oldest first. */
export function paginate<T extends Positioned>(
  items: readonly T[],
  query: { limit?: number | undefined; page?: string | undefined },
  { order = "asc" as Order, defaultLimit = 20 } = {},
): Page<T> {
  const ordered = order === "asc" ? items : items.toReversed();
  const limit = query.limit ?? defaultLimit;
  const beyond = (item: T, from: number) => (order === "asc" ? item.seq > from : item.seq < from);
  let start = 0;
  if (query.page) {
    const { from, direction } = decode(query.page, order);
    const split = ordered.findIndex((item) => beyond(item, from) || (direction === "prev" && item.seq === from));
    const at = split === -1 ? ordered.length : split;
    start = direction === "next" ? at : Math.max(0, at - limit);
  }
  const data = ordered.slice(start, start + limit);
  const first = data[0];
  const last = data.at(-1);
  return {
    data,
    next_page: last && start + limit < ordered.length ? encode({ order, from: last.seq, direction: "next" }) : null,
    prev_page: first && start > 0 ? encode({ order, from: first.seq, direction: "prev" }) : null,
  };
}
