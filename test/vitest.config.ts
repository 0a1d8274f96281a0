import { defineConfig } from "vitest/config";

/** Three projects: `unit` needs nothing; `integration` and `e2e` get a real Postgres (and Redis) from `services.ts`. */
export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: "unit",
          root: import.meta.dirname,
          include: ["unit/**/*.test.ts"],
          testTimeout: 20_000,
          isolate: false,
          maxWorkers: 2,
        },
      },
      {
        test: {
          name: "integration",
          root: import.meta.dirname,
          include: ["integration/**/*.test.ts"],
          globalSetup: ["./services.ts"],
          testTimeout: 60_000,
          hookTimeout: 60_000,
          fileParallelism: false,
        },
      },
      {
        test: {
          name: "e2e",
          root: import.meta.dirname,
          include: ["e2e/**/*.test.ts"],
          globalSetup: ["./services.ts"],
          testTimeout: 180_000,
          hookTimeout: 120_000,
          fileParallelism: false,
        },
      },
    ],
  },
});
