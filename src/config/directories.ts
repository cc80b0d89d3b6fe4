import { dirname, join } from "@std/path";
import { wrapError } from "../failure/mod.ts";
import type { Config } from "./table.ts";

/**
 * Makes the directories that a monitor, a CNI plugin or a client finds missing otherwise.
 *
 * @throws {CridError} `failed_precondition`.
 */
export async function makeDirectories({ crio, api, runtime, network }: Config): Promise<void> {
  await makeDirectory("log_dir", crio.log_dir, 0o700);
  await makeDirectory("listen", dirname(api.listen));
  await makeDirectory("container_exits_dir", runtime.container_exits_dir);
  await makeDirectory("container_attach_socket_dir", runtime.container_attach_socket_dir);
  await makeDirectory("network_dir", network.network_dir);
  for (const kind of ["net", "ipc", "uts", "user", "pid"]) {
    await makeDirectory("namespaces_dir", join(runtime.namespaces_dir, `${kind}ns`));
  }
}

async function makeDirectory(key: string, path: string, mode = 0o755): Promise<void> {
  if (path === "") return;
  try {
    await Deno.mkdir(path, { recursive: true, mode });
  } catch (error) {
    throw wrapError(`make directory ${path} (${key})`, error, "failed_precondition");
  }
}
