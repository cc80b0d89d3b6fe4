import { MessageChannel as NodeMessageChannel } from "node:worker_threads";

/** A port that tells when its other end is gone. */
export interface WatchedPort extends Disposable {
  readonly port: MessagePort;
  /** Runs `callback` once, when the other end has closed or its isolate has died. */
  onClose(callback: () => void): void;
}

/** What Deno adds to ports that came through a channel of `node:worker_threads`. */
interface NodePort extends MessagePort {
  once(event: "message", listener: (message: NodePort) => void): void;
  on(event: "close", listener: () => void): void;
}

/**
 * Takes over a port and watches its other end.
 *
 * Web MessagePorts do not say when the other side goes, not even when its Worker is terminated; those
 * of `node:worker_threads` do. A port becomes one by being sent through such a channel; messages that
 * wait in it move along.
 */
export function watchPort(port: MessagePort): Promise<WatchedPort> {
  const { port1, port2 } = new NodeMessageChannel() as unknown as {
    readonly port1: NodePort;
    readonly port2: MessagePort;
  };
  return new Promise((resolve) => {
    port1.once("message", (watched) => {
      port1.close();
      resolve({
        port: watched,
        onClose: (callback) => watched.on("close", callback),
        [Symbol.dispose]: () => watched.close(),
      });
    });
    port2.postMessage(port, [port]);
  });
}
