import { expect, test } from "vitest";
import { perSecond } from "../src/links.ts";

test("so many are allowed in a second, and more when the second is over", () => {
  const isAllowed = perSecond(2);
  const at = (...times: number[]) => times.map(isAllowed);
  expect(at(0, 999, 999, 1_000, 1_998, 1_999)).toEqual([true, true, false, true, false, true]);
});
