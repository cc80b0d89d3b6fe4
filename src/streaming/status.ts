import { errorMessage } from "../failure/mod.ts";

/** How a session ended. */
export type Outcome =
  | { readonly kind: "exited"; readonly code: number }
  | { readonly kind: "failed"; readonly error: unknown };

/** `metav1.Status` of Kubernetes, as JSON: what protocols from v4 on end with. */
export function statusJson(outcome: Outcome): string {
  if (outcome.kind === "failed") {
    const message = errorMessage(outcome.error);
    return JSON.stringify({
      metadata: {},
      status: "Failure",
      message: `Internal error occurred: ${message}`,
      reason: "InternalError",
      details: { causes: [{ message }] },
      code: 500,
    });
  }
  if (outcome.code === 0) return JSON.stringify({ metadata: {}, status: "Success" });
  return JSON.stringify({
    metadata: {},
    status: "Failure",
    message: exitMessage(outcome.code),
    reason: "NonZeroExitCode",
    details: { causes: [{ reason: "ExitCode", message: String(outcome.code) }] },
  });
}

/** The same for older protocols: a sentence, or nothing when all went well. */
export function statusText(outcome: Outcome): string {
  if (outcome.kind === "failed") return errorMessage(outcome.error);
  return outcome.code === 0 ? "" : exitMessage(outcome.code);
}

function exitMessage(code: number): string {
  return `command terminated with non-zero exit code: exit status ${code}`;
}
