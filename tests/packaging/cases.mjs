// The table of the cases. A case is a project of a stranger: files, what builds them, and what shows an event.

/** The pages of `page/src`, with the parts that each of them loads: domains, and React. */
const PAGES = {
  plain: [],
  domain: ["staff"],
  url: ["staff"],
  query: ["staff"],
  react: ["staff", "react"],
};

const source = (page) => `/src/${page}.${page === "react" ? "tsx" : "ts"}`;

/** What a program prints, or a test runner. */
const HEARD = /^person_updated [0-9a-f-]{36} true$/m;
const PASSED = /Tests:? +2 passed/;

/** Leaves the package to the installation in the folder `app`. */
const MOVE_TO_APP = 'tsc && rm -r node_modules && cp "$TIDINGS_TARBALL" tidings.tgz && cp -r js app';

/**
 * - `files`: folders of this one; the project gets what is in them, and the packed package
 * - `html`: the address of the script of each page
 * - `build`: type-checks and builds
 * - `pages`: the folder of the built pages; or `serve`: starts a server of the pages, on a free port
 * - `shows`: the pages, with the parts that each of them loads, if what is served is a bundle
 * - `run`: a program that ends, and `prints` this
 */
export const CASES = [
  {
    name: "vite",
    files: ["page", "cases/vite"],
    html: source,
    build: "tsc --noEmit && vite build",
    pages: "dist",
    shows: PAGES,
  },
  {
    name: "vite, its development server",
    files: ["page"],
    html: source,
    build: "tsc --noEmit",
    serve: "vite --port 0",
    shows: { domain: undefined, url: undefined, query: undefined, react: undefined },
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
    shows: { "": ["staff", "react"] },
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
    name: "node 26, by require()",
    files: ["runtime"],
    build: "tsc",
    run: `$NODE_26 --input-type=commonjs --eval 'require("./js/hear.js").hear(process.env.SERVER).then(console.log)'`,
    prints: HEARD,
  },
  {
    name: "npm install",
    files: ["runtime", "cases/install"],
    build: MOVE_TO_APP,
    run: "cd app && npm install --offline && $NODE_26 js/main.js",
    // No dependency, and none of the optional peers.
    prints: /added 1 package[\s\S]*person_updated/,
  },
  {
    name: "vitest with jsdom",
    files: ["runtime", "cases/vitest"],
    build: "tsc --noEmit",
    run: "vitest run",
    prints: PASSED,
  },
  {
    soak: true,
    name: "esbuild",
    files: ["page"],
    html: (page) => `/${page}.js`,
    build:
      "tsc --noEmit && esbuild src/*.ts src/*.tsx --bundle --minify --splitting --format=esm --outdir=dist && $COPY_CORE",
    pages: "dist",
    shows: PAGES,
  },
  {
    soak: true,
    name: "rollup",
    files: ["page"],
    html: (page) => `/${page}.js`,
    build:
      "tsc && rollup js/plain.js js/domain.js js/url.js --plugin @rollup/plugin-node-resolve --format es --dir dist && $COPY_CORE",
    pages: "dist",
    // query-core asks for `process`, and React is CommonJS: rollup needs more plugins for them.
    shows: { plain: [], domain: ["staff"], url: ["staff"] },
  },
  {
    soak: true,
    name: "an import map",
    files: ["page"],
    html: (page) => `/js/${page}.js`,
    imports: {
      tidings: "/node_modules/tidings/dist/index.js",
      "tidings/": "/node_modules/tidings/dist/",
      "tidings/url": "/node_modules/tidings/dist/url.js",
      "tidings/domains": "/node_modules/tidings/dist/domains.js",
    },
    build: "tsc",
    pages: ".",
    shows: { plain: [], domain: undefined, url: undefined },
  },
  {
    soak: true,
    name: "next with webpack",
    files: ["cases/next"],
    build: "next build --webpack",
    serve: "next start --port 0",
    shows: { "": ["staff", "react"] },
  },
  {
    soak: true,
    name: "next, its development server",
    files: ["cases/next"],
    build: "true",
    serve: "next dev --port 0",
    shows: { "": undefined },
  },
  {
    soak: true,
    name: "next, its development server with webpack",
    files: ["cases/next"],
    build: "true",
    serve: "next dev --webpack --port 0",
    shows: { "": undefined },
  },
  {
    soak: true,
    name: "workers, with vite",
    files: ["page", "cases/workers"],
    // Vite finds workers by their real names.
    html: (page) => `/js/${page}.js`,
    build: "tsc && vite build",
    pages: "dist",
    shows: { dedicated: undefined, shared: undefined },
  },
  {
    soak: true,
    name: "workers, with webpack",
    files: ["page", "cases/workers"],
    html: (page) => `/${page}.js`,
    build: "tsc && node webpack.mjs",
    pages: "dist",
    shows: { dedicated: undefined, shared: undefined },
  },
  {
    soak: true,
    name: "node 22",
    files: ["runtime"],
    build: "tsc",
    run: "$NODE_22 js/main.js",
    prints: HEARD,
  },
  {
    soak: true,
    name: "node 24",
    files: ["runtime"],
    build: "tsc",
    run: "$NODE_24 js/main.js",
    prints: HEARD,
  },
  {
    soak: true,
    name: "bun",
    files: ["runtime"],
    build: "tsc --noEmit",
    run: "bun src/main.ts",
    prints: HEARD,
  },
  {
    soak: true,
    name: "deno",
    files: ["runtime"],
    build: "tsc",
    run: "deno run --allow-all js/main.js",
    prints: HEARD,
  },
  {
    soak: true,
    name: "vitest with happy-dom",
    files: ["runtime", "cases/vitest"],
    build:
      "tsc --noEmit && sed -i s/jsdom/happy-dom/ vitest.config.mjs && sed -i s/jsdom/HappyDOM/ *.test.ts",
    run: "vitest run",
    prints: PASSED,
  },
  {
    soak: true,
    name: "jest",
    files: ["runtime", "cases/jest"],
    build: "tsc --noEmit",
    run: "jest",
    prints: PASSED,
  },
  {
    soak: true,
    name: "workerd",
    files: ["runtime", "cases/workerd"],
    build:
      "tsc --noEmit && esbuild worker.ts --bundle --format=esm --conditions=workerd --loader:.wasm=copy --asset-names=[name] --outdir=dist",
    run: "node ask.mjs",
    prints: HEARD,
  },
  {
    soak: true,
    name: "pnpm",
    files: ["runtime", "cases/install"],
    build: MOVE_TO_APP,
    run: "cd app && pnpm install && $NODE_26 js/main.js",
    prints: HEARD,
  },
  {
    soak: true,
    name: "yarn with plug'n'play",
    files: ["runtime", "cases/install"],
    build: MOVE_TO_APP,
    run: "cd app && touch yarn.lock && yarn install && yarn node --experimental-websocket js/main.js",
    prints: HEARD,
  },
];
