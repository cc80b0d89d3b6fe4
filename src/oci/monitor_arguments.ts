import { dirname, join } from "@std/path";
import { CridError } from "../failure/mod.ts";
import { runtimeCommand } from "./command.ts";
import type { CreateRequest } from "./types.ts";

/**
 * The command line of a conmon-compatible monitor for `create`.
 *
 * @throws {CridError} `invalid_argument` for a log path that the monitor would cut.
 */
export function monitorArguments(request: CreateRequest): string[] {
  const { id, bundle, handler } = request;
  const [runtimePath = "", ...runtimeArguments] = runtimeCommand(handler, []);
  // Flags of the runtime itself; with a starter in front, -s would go to that.
  const systemd = request.systemdCgroup ? ["--systemd-cgroup"] : [];
  // Its standard error is already the container's, whose log is no place for its warnings.
  const log = handler.features.logsApart ? [`--log=${join(bundle, "runtime.log")}`] : [];
  return [
    ["-b", bundle],
    ["-c", id],
    ["-u", id],
    ["-n", request.name],
    ["-r", runtimePath],
    ...[...runtimeArguments, ...systemd, ...log].map((argument) => ["--runtime-arg", argument]),
    ["-p", join(bundle, "pidfile")],
    ["-P", join(bundle, "conmon-pidfile")],
    ["--exit-dir", request.exitsDir],
    ["--persist-dir", request.persistDir],
    ["--socket-dir-path", request.attachDir],
    ["-l", logDriver(request)],
    request.logToJournald === true ? ["--log-path", "journald:"] : [],
    ["--log-level", request.logLevel ?? "info"],
    request.logSizeMax > 0 ? ["--log-size-max", String(request.logSizeMax)] : [],
    handler.noSyncLog ? ["--no-sync-log"] : [],
    request.noPivot ? ["--no-pivot"] : [],
    ["--syslog"],
    stdio(request),
  ].flat();
}

/** With a terminal, stdin is that; without, it stays open until stdin_once has been served. */
function stdio({ tty, stdin, stdinOnce }: CreateRequest): string[] {
  if (tty) return ["-t"];
  if (!stdin) return [];
  return stdinOnce ? ["-i"] : ["-i", "--leave-stdin-open"];
}

function logDriver({ logPath }: CreateRequest): string {
  if (logPath === "") return "none";
  if (!logPath.includes(":")) return logPath;
  throw new CridError(
    "invalid_argument",
    `log path ${logPath}: a colon cannot be in it; log below another directory than ` +
      dirname(logPath),
  );
}
