// What jsdom lacks, and the page needs.

import { configure } from "@testing-library/react";
import { vi } from "vitest";

/** How long the tests wait for the page. A page that needs longer is broken. */
export const PATIENCE_MS = 10_000;

configure({ asyncUtilTimeout: PATIENCE_MS });

vi.stubGlobal("matchMedia", () => ({ matches: false, addEventListener() {}, removeEventListener() {} }));
vi.stubGlobal("scrollTo", () => {});
