// The tests of the npm package in webkit.

import { suite } from "./suite.mjs";

suite("webkit");
