import { defineConfig } from "vite";

export default defineConfig({
  define: { "process.env.NODE_ENV": JSON.stringify("production"), global: "globalThis" },
  esbuild: { jsx: "automatic" },
  build: { chunkSizeWarningLimit: 20000, minify: false },
});
