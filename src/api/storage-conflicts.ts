import { type ConflictReason, StorageConflict } from "../storage/errors.ts";
import type { Problem } from "./problems.ts";

/** Runs `work`; a refusal by the database that `problems` knows becomes that Problem, any other error stays what it is. */
export async function conflictsAs<T>(
  problems: { readonly [Reason in ConflictReason]?: () => Problem },
  work: () => Promise<T>,
): Promise<T> {
  try {
    return await work();
  } catch (error) {
    const problem = error instanceof StorageConflict ? problems[error.reason]?.() : undefined;
    throw problem ?? error;
  }
}
