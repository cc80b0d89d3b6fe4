import type { CgroupDriver } from "../cgroup/mod.ts";
import { CridError, Unwind } from "../failure/mod.ts";
import type { Images } from "../image/mod.ts";
import type { Network } from "../network/mod.ts";
import type { RuntimeHandler, SpecDefaults } from "../oci/mod.ts";
import { log } from "../observe/mod.ts";
import type { Stats } from "../stats/mod.ts";
import type { Store } from "../storage/mod.ts";
import type { Container } from "./container.ts";
import type { EventHub } from "./events.ts";
import type { IdIndex } from "./id_index.ts";
import type { Leftovers } from "./leftovers.ts";
import type { Queue } from "./queue.ts";
import type { Sandbox } from "./sandbox.ts";
import type { PodSelinux } from "./selinux.ts";
import type { ContainerEventType } from "./types.ts";
import type { UserNamespaceOptions } from "./user_namespace.ts";
import type { Workload } from "./workloads.ts";

/** Where pods keep their things on this host, from the configuration. */
export interface PodOptions {
  /** Pinned namespaces, below `netns/`, `ipcns/` … */
  readonly namespacesDir: string;
  /** Logs of sandboxes whose client names no directory. */
  readonly logDir: string;
  /** Where monitors write `<id>` when a container ends. */
  readonly exitsDir: string;
  /** Where monitors link the attach sockets. */
  readonly attachDir: string;
  readonly pinnsPath: string;
  /** The program that holds a shared PID namespace. */
  readonly pausePath: string;
  /** Bytes, -1 for none. */
  readonly logSizeMax: number;
  readonly noPivot: boolean;
  /** Seconds that a container may go on running after it was killed, before that is an error. */
  readonly stopTimeout: number;
  readonly logToJournald: boolean;
  /** Runtime handler for a request that names none. */
  readonly defaultHandler: string;
  readonly defaultSysctls: Readonly<Record<string, string>>;
  /** An infra process is started only where one is needed. */
  readonly dropInfra: boolean;
  /** CPUs of infra processes; `""` for all. */
  readonly infraCpuset: string;
  readonly workloads: readonly Workload[];
  readonly userNamespaces: UserNamespaceOptions;
  /** `undefined` where SELinux is off. */
  readonly selinux: PodSelinux | undefined;
}

/** What pods are made with. */
export interface PodDependencies {
  readonly store: Store;
  readonly images: Images;
  readonly network: Network;
  readonly cgroups: CgroupDriver;
  readonly handlers: ReadonlyMap<string, RuntimeHandler>;
  readonly stats: Stats;
  readonly specDefaults: SpecDefaults;
  readonly options: PodOptions;
  /** Aborts when the daemon is to end: what waits for something to come need not be waited for. */
  readonly closing: AbortSignal;
}

/** The domain's own state, and what it works with. */
export interface PodContext extends PodDependencies {
  readonly sandboxes: IdIndex<Sandbox>;
  readonly containers: IdIndex<Container>;
  /** Ids of live sandboxes and containers by their full names. */
  readonly names: Map<string, string>;
  readonly events: EventHub;
  readonly leftovers: Leftovers;
  /** Serialises the search for free ids and levels, and the making of the record that takes them. */
  readonly idSearch: Queue;
  /** Images mounted as volumes, by container id. */
  readonly imageVolumes: Map<string, readonly string[]>;
  /** Tells everyone who listens of a change. */
  emit(type: ContainerEventType, sandbox: Sandbox, subject: Sandbox | Container): void;
}

/** The way back out of making `name`; what cannot be undone is left for later. */
export function unwindOf({ leftovers }: PodContext, name: string): Unwind {
  return new Unwind((step, error, undo) => {
    log.warn(`cleaning up ${name}: ${step}: ${error}`);
    leftovers.add(name, step, undo);
  });
}

/** The handler of that name, `""` is the default one; `undefined` when it is configured no more. */
export function findHandler(
  { handlers, options }: PodDependencies,
  name: string,
): RuntimeHandler | undefined {
  return handlers.get(name === "" ? options.defaultHandler : name);
}

/**
 * The handler of that name; `""` is the default one.
 *
 * @throws {CridError} `invalid_argument` when there is none.
 */
export function handlerNamed(context: PodDependencies, name: string): RuntimeHandler {
  const handler = findHandler(context, name);
  if (handler !== undefined) return handler;
  const known = Array.from(context.handlers.keys()).join(", ");
  throw new CridError(
    "invalid_argument",
    `failed to find runtime handler ${name} from runtime list: configured are ${known}`,
  );
}
