// The tests of the npm package in firefox.

import { suite } from "./suite.mjs";

suite("firefox");
