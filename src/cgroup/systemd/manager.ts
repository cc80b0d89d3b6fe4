import { abortable, CridError, deadline } from "../../failure/mod.ts";
import { DbusConnection, DbusError, type DbusPatience } from "./connection.ts";
import type { Message } from "./message.ts";
import type { DbusValue } from "./wire.ts";

/** Properties of a unit, in the types that systemd wants: `["Slice", "s", "a.slice"]`. */
export type UnitProperty = readonly [name: string, signature: string, value: DbusValue];

/** Where systemd is reached: its own socket works without a bus, the other is the system bus. */
export const SYSTEMD_SOCKETS = ["/run/systemd/private", "/run/dbus/system_bus_socket"] as const;

const NAME = "org.freedesktop.systemd1";
const PATH = "/org/freedesktop/systemd1";
const MANAGER = "org.freedesktop.systemd1.Manager";
const BUS = { name: "org.freedesktop.DBus", path: "/org/freedesktop/DBus" };

/** A job waits for what it depends on; CRI-O waits six minutes. */
const JOB_MS = 360_000;
/** Results of jobs that ended before the answer that names them was read. */
const MAX_EARLY = 64;

/** systemd as it manages the units of this host. The connection is made when it is first needed. */
export class SystemdManager implements Disposable {
  readonly #sockets: readonly string[];
  readonly #patience: DbusPatience;
  #connection: Promise<DbusConnection> | undefined;
  readonly #waiting = new Map<string, (result: string) => void>();
  readonly #early = new Map<string, string>();

  /** @param sockets Tried in this order; the private socket is told by its name. */
  constructor(sockets: readonly string[] = SYSTEMD_SOCKETS, patience: DbusPatience = {}) {
    this.#sockets = sockets;
    this.#patience = patience;
  }

  /**
   * Makes a unit that goes when it is stopped, and waits until it runs.
   *
   * @throws {CridError} With systemd's words.
   */
  async startTransientUnit(name: string, properties: readonly UnitProperty[]): Promise<void> {
    const listed = properties.map(([property, signature, value]) => [
      property,
      { signature, value },
    ]);
    await this.#job(`start ${name}`, "StartTransientUnit", "ssa(sv)a(sa(sv))", [
      name,
      "fail",
      listed,
      [],
    ]);
  }

  /** Stops a unit and waits until it is gone; one that is not there is no error. */
  async stopUnit(name: string): Promise<void> {
    try {
      await this.#job(`stop ${name}`, "StopUnit", "ss", [name, "replace"]);
    } catch (error) {
      if (!isNoSuchUnit(error)) throw error;
    }
  }

  /** Lets go of a unit that has failed, such as a scope whose process ran out of memory. */
  async resetFailed(name: string): Promise<void> {
    try {
      await callManager(await this.#connect(), "ResetFailedUnit", "s", [name]);
    } catch (error) {
      if (!isNoSuchUnit(error)) throw refused(`reset ${name}`, error);
    }
  }

  [Symbol.dispose](): void {
    const connection = this.#connection;
    this.#connection = undefined;
    connection?.then((open) => open[Symbol.dispose](), () => {});
  }

  async #job(
    doing: string,
    member: string,
    signature: string,
    values: readonly DbusValue[],
  ): Promise<void> {
    try {
      const connection = await this.#connect();
      const [job] = await callManager(connection, member, signature, values);
      const result = await this.#result(doing, String(job), connection);
      if (result !== "done" && result !== "skipped") throw new Error(`the job ended: ${result}`);
    } catch (error) {
      throw refused(doing, error);
    }
  }

  /** Only the connection that the job was asked for over tells how it ended. */
  async #result(doing: string, job: string, { closed }: DbusConnection): Promise<string> {
    const early = this.#early.get(job);
    if (early !== undefined) {
      this.#early.delete(job);
      return early;
    }
    const { promise, resolve } = Promise.withResolvers<string>();
    this.#waiting.set(job, resolve);
    using limit = deadline(`systemd: ${doing}`, JOB_MS, closed);
    try {
      return await abortable(promise, limit.signal);
    } finally {
      this.#waiting.delete(job);
    }
  }

  async #connect(): Promise<DbusConnection> {
    for (;;) {
      const opening = this.#connection ??= this.#open();
      const connection = await opening;
      if (!connection.closed.aborted) return connection;
      // systemd was executed anew, or the bus restarted. Whoever sees it first connects for all.
      if (this.#connection === opening) this.#connection = undefined;
    }
  }

  async #open(): Promise<DbusConnection> {
    const failures: unknown[] = [];
    for (const socket of this.#sockets) {
      try {
        return await this.#openAt(socket);
      } catch (error) {
        failures.push(error);
      }
    }
    this.#connection = undefined;
    throw new CridError("unavailable", `reach systemd: ${failures.map(String).join("; ")}`, {
      cause: failures[0],
    });
  }

  async #openAt(socket: string): Promise<DbusConnection> {
    const onSignal = (message: Message) => this.#onSignal(message);
    const connection = await DbusConnection.open(socket, onSignal, this.#patience);
    if (socket.endsWith("/private")) return connection;
    try {
      const bus = { destination: BUS.name, path: BUS.path, interface: BUS.name };
      await connection.call({ ...bus, member: "Hello", signature: "", values: [] });
      const rule = `type='signal',sender='${NAME}',interface='${MANAGER}',member='JobRemoved'`;
      await connection.call({ ...bus, member: "AddMatch", signature: "s", values: [rule] });
      const manager = { destination: NAME, path: PATH, interface: MANAGER };
      await connection.call({ ...manager, member: "Subscribe", signature: "", values: [] });
      return connection;
    } catch (error) {
      connection[Symbol.dispose]();
      throw error;
    }
  }

  /** JobRemoved: number, path of the job, name of the unit, result. */
  #onSignal({ member, values }: Message): void {
    if (member !== "JobRemoved") return;
    const job = String(values[1]);
    const result = String(values[3]);
    const resolve = this.#waiting.get(job);
    if (resolve !== undefined) return resolve(result);
    // Most belong to somebody else; one may belong to an answer that is being read.
    this.#early.set(job, result);
    const [oldest] = this.#early.keys();
    if (this.#early.size > MAX_EARLY && oldest !== undefined) this.#early.delete(oldest);
  }
}

async function callManager(
  connection: DbusConnection,
  member: string,
  signature: string,
  values: readonly DbusValue[],
): Promise<readonly DbusValue[]> {
  return await connection.call({
    ...{ destination: NAME, path: PATH, interface: MANAGER },
    ...{ member, signature, values },
  });
}

function isNoSuchUnit(error: unknown): boolean {
  const cause = error instanceof CridError ? error.cause : error;
  return cause instanceof DbusError && cause.error === `${NAME}.NoSuchUnit`;
}

function refused(doing: string, cause: unknown): unknown {
  if (cause instanceof CridError) return cause;
  const why = cause instanceof Error ? cause.message : String(cause);
  const code = cause instanceof DbusError && cause.error.endsWith(".UnitExists")
    ? "already_exists"
    : "unknown";
  return new CridError(code, `systemd: ${doing}: ${why}`, { cause });
}
