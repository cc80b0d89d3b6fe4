import { CridError } from "../../failure/mod.ts";
import type { RuntimeServiceServer } from "../../gen/runtime/v1/api.ts";
import { readCommand } from "../convert/text.ts";
import type { Handlers } from "../grpc/handlers.ts";
import type { ExecStreams, Streams } from "../types.ts";
import { unimplemented } from "./unimplemented.ts";

const MAX_PORT = 65_535;

/** Exec, Attach and PortForward: they only say where the streams are. */
export function streamHandlers(
  streams: Streams | undefined,
): Pick<Handlers<RuntimeServiceServer>, "exec" | "attach" | "portForward"> {
  const opened = (rpc: string): Streams => {
    if (streams === undefined) {
      throw unimplemented(rpc, "this version of crid has no streaming server; use ExecSync");
    }
    return streams;
  };
  return {
    exec: async ({ containerId, cmd, ...flags }, { signal }) => {
      const server = opened("Exec");
      const command = readCommand(cmd);
      const request = { ...someStream({ containerId, ...flags }), command };
      return { url: await server.exec(request, signal) };
    },

    attach: async (request, { signal }) => ({
      url: await opened("Attach").attach(someStream(request), signal),
    }),

    portForward: async ({ podSandboxId, port }, { signal }) => {
      const wrong = port.find((number) => number < 1 || number > MAX_PORT);
      if (wrong !== undefined) {
        throw new CridError("invalid_argument", `${wrong} is not a port`);
      }
      return { url: await opened("PortForward").portForward(podSandboxId, port, signal) };
    },
  };
}

type Request = Omit<ExecStreams, "command">;

/** The rules of CRI about which streams go together. */
function someStream({ containerId, tty, stdin, stdout, stderr }: Request): Request {
  if (!stdin && !stdout && !stderr) {
    throw new CridError("invalid_argument", "one of stdin, stdout and stderr must be true");
  }
  if (tty && stderr) {
    throw new CridError("invalid_argument", "tty and stderr cannot both be true");
  }
  return { containerId, tty, stdin, stdout, stderr };
}
