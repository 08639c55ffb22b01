export default {
  build: { rollupOptions: { input: ["dedicated.html", "shared.html"] } },
};
