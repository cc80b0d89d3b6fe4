import { log, type Logger } from "../../observe/mod.ts";
import type { CridError } from "../../failure/mod.ts";
import { describe } from "./redact.ts";

/** The RPCs whose messages are not named after them. */
const MESSAGE_NAMES: Readonly<Record<string, readonly [request: string, response: string]>> = {
  GetContainerEvents: ["GetEventsRequest", "ContainerEventResponse"],
};

/** One call's lines in the log. */
export interface CallLog {
  request(message: unknown): void;
  response(message: unknown): void;
  error(error: CridError): void;
  /** Something that should not happen: for the operator, at every level, with the stack. */
  unexpected(error: CridError): void;
}

/**
 * The log of one call, in CRI-O's words and fields. Below debug it costs nothing.
 *
 * @param path `/runtime.v1.RuntimeService/Version`.
 */
export function callLog(path: string): CallLog {
  const rpc = path.slice(path.lastIndexOf("/") + 1);
  const [requestName, responseName] = MESSAGE_NAMES[rpc] ?? [`${rpc}Request`, `${rpc}Response`];
  const isList = rpc.startsWith("List");
  let logger: Logger | undefined;
  const lines = () => logger ??= log.with({ id: crypto.randomUUID(), name: path });
  const message = (kind: string, type: string, value: unknown) => {
    if (!log.enabled("debug")) return;
    const text = describe(value);
    lines().debug(isList ? `${kind}: &v1.${type}${text}` : `${kind}: *v1.${type}: ${text}`);
  };
  return {
    request: (value) => message("Request", requestName, value),
    response: (value) => message("Response", responseName, value),
    error: (error) => {
      if (log.enabled("debug")) lines().debug(`Response error: ${error.message}`);
    },
    unexpected: (error) => {
      const cause = error.cause instanceof Error ? error.cause : error;
      lines().error(`${rpc} failed in a way that it should not: ${cause.stack ?? cause.message}`);
    },
  };
}
