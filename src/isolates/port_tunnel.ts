import { type NamedPort, type WatchedPort, watchPort } from "../image/mod.ts";

/** What goes through a tunnel. */
export type TunnelFrame =
  /** A message for, or from, the port of this number. */
  | { readonly kind: "message"; readonly port: number; readonly data: unknown }
  | { readonly kind: "closed"; readonly port: number };

/** The part of a call between isolates that may hold a port: see image/isolate_rpc.ts. */
interface WithPort {
  readonly payload: { readonly port: MessagePort | BridgedPort | NamedPort };
}

/** Stands for a port that was sent: messages for it come through the tunnel. */
interface BridgedPort {
  readonly bridged: number;
}

/**
 * Carries the messages of ports between two processes, and ports within them. A port that is sent
 * becomes one of the other process with the tunnel in between; one that is named is one end of a channel
 * that the other process makes for itself, so that what goes through it stays there.
 */
export class PortTunnel implements Disposable {
  readonly #send: (frame: TunnelFrame) => void;
  readonly #ports = new Map<number, Promise<WatchedPort>>();
  /** Ends of named channels that nobody has asked for yet. */
  readonly #otherEnds = new Map<number, MessagePort>();
  #lastNumber = 0;

  /** @param send Takes a frame to the other process' {@linkcode PortTunnel.receive}. */
  constructor(send: (frame: TunnelFrame) => void) {
    this.#send = send;
  }

  /**
   * Lets a port of this process speak with one of the other.
   *
   * @param number By which the other process knows it already; a new one if not given. Only one of the
   * two processes may give new ones.
   */
  bridge(port: MessagePort, number = ++this.#lastNumber): number {
    this.#ports.set(number, this.#watch(port, number));
    return number;
  }

  /** Takes what the other process has sent, in its order: wait for the end before the next one. */
  async receive(frame: TunnelFrame): Promise<void> {
    const watched = await this.#ports.get(frame.port);
    if (watched === undefined) return;
    if (frame.kind === "closed") {
      this.#ports.delete(frame.port);
      watched[Symbol.dispose]();
    } else {
      const { message, transfer } = this.#arrived(frame.data);
      watched.port.postMessage(message, transfer);
    }
  }

  /** Forgets an end of a named channel. */
  forget(channel: number): void {
    this.#otherEnds.get(channel)?.close();
    this.#otherEnds.delete(channel);
  }

  /** Closes the ports of this process: whoever has the other ends learns that nobody is there. */
  [Symbol.dispose](): void {
    for (const watching of this.#ports.values()) {
      void watching.then((port) => port[Symbol.dispose]());
    }
    this.#ports.clear();
  }

  async #watch(port: MessagePort, number: number): Promise<WatchedPort> {
    const watched = await watchPort(port);
    watched.onClose(() => {
      if (this.#ports.delete(number)) this.#send({ kind: "closed", port: number });
    });
    watched.port.onmessage = ({ data }) =>
      this.#send({ kind: "message", port: number, data: this.#leaving(data) });
    return watched;
  }

  #leaving(message: unknown): unknown {
    if (!hasPort(message) || !(message.payload.port instanceof MessagePort)) return message;
    const bridged: BridgedPort = { bridged: this.bridge(message.payload.port) };
    return { ...message, payload: { ...message.payload, port: bridged } };
  }

  #arrived(message: unknown): { message: unknown; transfer: Transferable[] } {
    if (message instanceof Uint8Array) {
      // A piece of a blob is counted by the buffer behind it, which here is the whole frame's.
      const piece = new Uint8Array(message);
      return { message: piece, transfer: [piece.buffer] };
    }
    if (!hasPort(message)) return { message, transfer: [] };
    const port = this.#portFor(message.payload.port as BridgedPort | NamedPort);
    return { message: { ...message, payload: { ...message.payload, port } }, transfer: [port] };
  }

  #portFor(asked: BridgedPort | NamedPort): MessagePort {
    if (!("bridged" in asked)) {
      const other = this.#otherEnds.get(asked.channel);
      this.#otherEnds.delete(asked.channel);
      if (other !== undefined) return other;
    }
    const { port1, port2 } = new MessageChannel();
    if ("bridged" in asked) this.bridge(port1, asked.bridged);
    else this.#otherEnds.set(asked.channel, port1);
    return port2;
  }
}

function hasPort(message: unknown): message is WithPort {
  return typeof message === "object" && message !== null && "payload" in message &&
    typeof message.payload === "object" && message.payload !== null && "port" in message.payload;
}
