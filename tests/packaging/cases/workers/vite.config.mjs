export default {
  build: { rollupOptions: { input: ["dedicated.html", "shared.html"] } },
  // Vite's default, `iife`, cannot split the core off.
  worker: { format: "es" },
};
