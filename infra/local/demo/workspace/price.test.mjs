import assert from "node:assert/strict";
import { test } from "node:test";
import { price } from "./price.mjs";

test("a free customer pays the list price", () => assert.equal(price(10_000, "free"), 10_000));
test("a team customer pays ten per cent less", () => assert.equal(price(10_000, "team"), 9_000));
test("a gold customer pays twenty per cent less", () => assert.equal(price(10_000, "gold"), 8_000));
