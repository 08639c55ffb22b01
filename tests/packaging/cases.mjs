// The table of the cases. A case is a project of a stranger: files, what builds them, and what shows an event.

/** The pages of `page/src`, and texts that no script of a page may contain. */
const PAGES = {
  plain: [],
  domain: [],
  url: [],
};

/** What a program prints, or a test runner. */
const HEARD = /^person_updated 0198c0de-0000-7000-8000-000000000001 true$/m;
const PASSED = /Tests +1 passed/;

/**
 * - `files`: folders of this one; the project gets what is in them, and the packed package
 * - `html`: the address of the script of each page of `PAGES`
 * - `build`: type-checks and builds
 * - `pages`: the folder of the built pages; or `serve`: starts a server of the pages, on a free port
 * - `shows`: the pages, if they are not those of `PAGES`
 * - `run`: a program that ends, and `prints` this
 */
export const CASES = [
  {
    name: "vite",
    files: ["page", "cases/vite"],
    html: (page) => `/src/${page}.ts`,
    build: "tsc --noEmit && vite build",
    pages: "dist",
    shows: PAGES,
  },
  {
    name: "vite, its development server",
    files: ["page"],
    html: (page) => `/src/${page}.ts`,
    build: "tsc --noEmit",
    serve: "vite --port 0",
    shows: { domain: [], url: [] },
  },
  {
    name: "webpack",
    files: ["page", "cases/webpack"],
    html: (page) => `/${page}.js`,
    build: "tsc && node build.mjs",
    pages: "dist",
    shows: PAGES,
  },
  {
    name: "next",
    files: ["cases/next"],
    // Next.js checks the types too, and its own need `skipLibCheck`.
    build: "tsc --skipLibCheck false && next build",
    serve: "next start --port 0",
    shows: { "": [] },
  },
  {
    name: "node 20.12",
    files: ["runtime"],
    build: "tsc",
    run: "$NODE_20 --experimental-websocket js/main.js",
    prints: HEARD,
  },
  { name: "node 26", files: ["runtime"], build: "tsc", run: "$NODE_26 js/main.js", prints: HEARD },
  {
    name: "vitest with jsdom",
    files: ["runtime", "cases/vitest"],
    build: "tsc --noEmit",
    run: "vitest run",
    prints: PASSED,
  },
];
