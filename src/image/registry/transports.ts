import { loadTlsIdentity, SystemAuthorities } from "./certificates.ts";
import type { RegistryOptions } from "./options.ts";
import { createTransport, type HttpTransport, type TlsIdentity } from "./transport.ts";

/** Whether a host's certificate must be good. */
type Verification = "required" | "skipped";

/** Hosts that nobody talks to at present and whose connections are kept. */
const MOST_UNUSED = 8;

interface Kept {
  readonly host: string;
  readonly verification: Verification;
  readonly identity: TlsIdentity;
  readonly transport: HttpTransport;
  users: number;
}

/**
 * The connections to registries. They outlive the image that they were made for: most of a small image's
 * time is spent on making them, and on reading a hundred authorities. Certificates are looked at anew
 * for each image, and when they have changed so are the connections.
 */
export class TransportPool {
  readonly #options: RegistryOptions;
  readonly #systemAuthorities: SystemAuthorities;
  /** Those used last at the end. */
  #kept: Kept[] = [];

  constructor(options: RegistryOptions) {
    this.#options = options;
    this.#systemAuthorities = new SystemAuthorities(options.systemAuthorities);
  }

  /** The connections for one image. */
  transports(): Transports {
    return new Transports((host, verification) => this.#take(host, verification));
  }

  async #take(host: string, verification: Verification): Promise<HttpTransport> {
    // certs.d knows Docker Hub by its name, not by the host that serves it.
    const name = host === "registry-1.docker.io" ? "docker.io" : host;
    const own = await loadTlsIdentity(this.#options.certificateDirs, name);
    const authorities = [...await this.#systemAuthorities.load(), ...own.authorities];
    const identity = { ...own, authorities };
    let kept = this.#kept.find((each) =>
      each.host === host && each.verification === verification && isSame(each.identity, identity)
    );
    if (kept === undefined) {
      const transport = createTransport(identity, verification);
      kept = { host, verification, identity, transport, users: 0 };
    } else this.#kept.splice(this.#kept.indexOf(kept), 1);
    this.#kept.push(kept);
    kept.users++;
    return this.#leased(kept);
  }

  #leased(kept: Kept): HttpTransport {
    return {
      send: (request, signal) => kept.transport.send(request, signal),
      [Symbol.dispose]: () => {
        kept.users--;
        this.#dropOldest();
      },
    };
  }

  #dropOldest(): void {
    const unused = this.#kept.filter(({ users }) => users === 0);
    const dropped = unused.slice(0, Math.max(0, unused.length - MOST_UNUSED));
    this.#kept = this.#kept.filter((each) => !dropped.includes(each));
    for (const { transport } of dropped) transport[Symbol.dispose]();
  }
}

function isSame(one: TlsIdentity, other: TlsIdentity): boolean {
  return one.client?.cert === other.client?.cert && one.client?.key === other.client?.key &&
    one.authorities.length === other.authorities.length &&
    one.authorities.every((pem, at) => pem === other.authorities[at]);
}

/** The connections of one image: one transport for each host, taken when it is first needed. */
export class Transports implements Disposable {
  readonly #take: (host: string, verification: Verification) => Promise<HttpTransport>;
  readonly #byHost = new Map<string, Promise<HttpTransport>>();

  constructor(take: (host: string, verification: Verification) => Promise<HttpTransport>) {
    this.#take = take;
  }

  /** The transport for `host` with its port; `skipped` ones do not mind bad certificates. */
  for(host: string, verification: Verification): Promise<HttpTransport> {
    const key = `${verification} ${host}`;
    let transport = this.#byHost.get(key);
    if (transport === undefined) {
      transport = this.#take(host, verification);
      this.#byHost.set(key, transport);
    }
    return transport;
  }

  [Symbol.dispose](): void {
    for (const transport of this.#byHost.values()) {
      transport.then((each) => each[Symbol.dispose](), () => {});
    }
    this.#byHost.clear();
  }
}
