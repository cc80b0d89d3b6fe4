import { loadSystemAuthorities, loadTlsIdentity } from "./certificates.ts";
import type { RegistryOptions } from "./options.ts";
import { createTransport, type HttpTransport } from "./transport.ts";

/** The connections of one image: one transport per host, made when it is first needed. */
export class Transports implements Disposable {
  readonly #options: RegistryOptions;
  readonly #byHost = new Map<string, Promise<HttpTransport>>();
  #systemAuthorities: Promise<readonly string[]> | undefined;

  constructor(options: RegistryOptions) {
    this.#options = options;
  }

  /** The transport for `host` with its port; `insecure` ones do not mind bad certificates. */
  for(host: string, verification: "required" | "skipped"): Promise<HttpTransport> {
    const key = `${verification} ${host}`;
    let transport = this.#byHost.get(key);
    if (transport === undefined) {
      transport = this.#create(host, verification);
      this.#byHost.set(key, transport);
    }
    return transport;
  }

  async #create(host: string, verification: "required" | "skipped"): Promise<HttpTransport> {
    // certs.d knows Docker Hub by its name, not by the host that serves it.
    const name = host === "registry-1.docker.io" ? "docker.io" : host;
    this.#systemAuthorities ??= loadSystemAuthorities(this.#options.systemAuthorities);
    const identity = await loadTlsIdentity(this.#options.certificateDirs, name);
    const authorities = [...await this.#systemAuthorities, ...identity.authorities];
    return createTransport({ ...identity, authorities }, verification);
  }

  [Symbol.dispose](): void {
    for (const transport of this.#byHost.values()) {
      transport.then((each) => each[Symbol.dispose](), () => {});
    }
    this.#byHost.clear();
  }
}
