// The tests of the npm package in chromium.

import { suite } from "./suite.mjs";

suite("chromium");
