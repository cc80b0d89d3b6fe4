import { join } from "@std/path";
import { errorMessage } from "../failure/mod.ts";
import { log } from "../observe/mod.ts";
import { askSocket } from "./own_socket.ts";

/** A server that is stuck is what people want to know of; its silence is an answer, too. */
const PATIENCE_MS = 5_000;

/** Writes down what the server is working on: SIGUSR1, where CRI-O writes the stacks of its goroutines. */
export async function reportCalls(socketPath: string): Promise<void> {
  const time = new Date().toISOString().replace(/\.\d+/, "").replaceAll(":", "");
  const path = join(Deno.env.get("TMPDIR") || "/tmp", `crio-goroutine-stacks-${time}.log`);
  const text = await askSocket(socketPath, "/debug/goroutines", PATIENCE_MS)
    .catch((error) => `${socketPath} does not answer: ${errorMessage(error)}\n`);
  try {
    // Others may write to the directory: not through a link of theirs.
    await Deno.writeTextFile(path, text, { createNew: true, mode: 0o600 });
    log.info(`Wrote the running calls to ${path}`);
  } catch (error) {
    log.error(`write the running calls to ${path}: ${errorMessage(error)}`);
  }
}
