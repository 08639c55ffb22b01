module.exports = {
  testEnvironment: "jsdom",
  // As the README of the package says: it consists of ES modules.
  transformIgnorePatterns: ["/node_modules/(?!tidings/)"],
  moduleNameMapper: { "^(\\./.*)\\.js$": "$1" },
  testPathIgnorePatterns: [],
};
